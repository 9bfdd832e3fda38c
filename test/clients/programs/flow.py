"""The whole way of a photo by the generated package `client`."""

import json
import sys
import time
import uuid

import httpx
from client import AuthenticatedClient
from client.api.jobs import create_job, get_job, get_job_output, get_job_output_link
from client.api.money import get_balance
from client.api.uploads import create_upload
from client.models import CreateJobBody, CreateJobBodyInput, CreateJobBodyModel, CreateUploadBody
from client.types import UNSET

url, key, path = sys.argv[1:]
api = AuthenticatedClient(base_url=url, token=key, follow_redirects=True)
with open(path, "rb") as file:
    photo = file.read()

balance = get_balance.sync(client=api)
upload = create_upload.sync(client=api, body=CreateUploadBody(bytes_=len(photo), content_type="image/jpeg"))
httpx.put(upload.url, headers=upload.headers.to_dict(), content=photo).raise_for_status()

body = CreateJobBody(
    input_=CreateJobBodyInput(upload_id=upload.id),
    model=CreateJobBodyModel.REAL_ESRGAN_FAST,
    scale=2,
    seed=4_294_967_295,
)
submitted = create_job.sync_detailed(client=api, body=body, idempotency_key=str(uuid.uuid4()))
job = submitted.parsed
while not job.terminal:
    time.sleep(0.1)
    job = get_job.sync(client=api, id=job.id)
result = get_job_output.sync(client=api, id=job.id).payload.read()
link = get_job_output_link.sync(client=api, id=job.id)
problem = get_job.sync(client=api, id="job_00000000000000000000000000")
assert job.error is UNSET

print(
    json.dumps(
        {
            "balance": balance.balance,
            "status": job.status,
            "seed": job.parameters.seed,
            "isWhole": len(result) == job.output.bytes_ == link.bytes_,
            "reserved": int(submitted.headers["X-Credits-Reserved"]),
            "charged": job.charge.amount,
            "problem": problem.code,
        }
    )
)
