"""Steps of the denoiser's training in PyTorch, eager: ControlNet and the UNet's image attention, as SeeSR's authors train them.

Run: python training_step.py GIVEN, JSON with directory, sizes, heads, text, image, side, timestep, rate, steps, threads;
weights and inputs lie in the directory (written by training-case.ts). Prints JSON.
"""

import json
import resource
import sys
from pathlib import Path

import numpy as np
import torch

import seesr_step


def main():
    given = json.loads(sys.argv[1])
    directory, side = given["directory"], given["side"]
    torch.set_num_threads(given["threads"])
    seesr_step.SIZES, seesr_step.HEADS = tuple(given["sizes"]), tuple(given["heads"])
    seesr_step.TEXT_SIZE, seesr_step.IMAGE_SIZE = given["text"], given["image"]
    with torch.device("meta"):
        control, unet = seesr_step.ControlNet(), seesr_step.Unet()
    seesr_step.load(control, directory, "controlnet").train()
    seesr_step.load(unet, directory, "unet")
    unet.requires_grad_(False)
    trained = [*control.parameters()]
    for name, parameter in unet.named_parameters():
        if ".image_attentions." in name:
            trained.append(parameter.requires_grad_())

    read = lambda name, *shape: torch.from_numpy(np.fromfile(Path(directory, name), "<f4").reshape(shape))
    inputs = (
        read("latent", 1, 4, side, side),
        torch.full((1,), float(given["timestep"])),
        read("text", 1, 77, given["text"]),
        read("image_embeds", 1, 145, given["image"]),
        read("condition", 1, 3, 8 * side, 8 * side),
    )
    noise = read("noise", 1, 4, side, side)
    optimizer = torch.optim.AdamW(trained, lr=given["rate"], weight_decay=0.01)

    def step():
        loss = torch.nn.functional.mse_loss(seesr_step.step(control, unet, *inputs), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    losses = [step()]
    cost = seesr_step.least_cost(lambda: losses.append(step()), given["steps"])
    measured = {
        "version": torch.__version__,
        **cost,
        "losses": losses,
        "peakBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
