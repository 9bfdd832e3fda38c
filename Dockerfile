# The GPU worker: docker build --file gpu-worker/Dockerfile .
# Without a GPU: --build-arg DEVICE=cpu
ARG DEVICE=cuda

FROM node:24.21.0-bookworm-slim AS build
ARG DEVICE
# What onnxruntime-node 1.30 is published for; the base image below must have the same.
ARG CUDA_MAJOR=12
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Brings Node 24 itself along: the one of the lock file, by which the worker runs below.
RUN npm ci --omit=dev --ignore-scripts \
  && rm -rf node_modules/onnxruntime-node/bin/napi-v6/{darwin,win32,linux/arm64}
# An install runs no scripts; this one, which fetches the CUDA provider, runs on purpose. The check is here because the
# provider's CUDA version has changed between releases without its name.
RUN if [ "$DEVICE" = cuda ]; then \
  ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js \
  && rm -f node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_tensorrt.so \
  && grep --quiet --text "libcudart\.so\.$CUDA_MAJOR" \
  node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so; \
  fi
COPY shared ./shared
COPY gpu-worker ./gpu-worker

FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04 AS base-cuda
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM ubuntu:24.04 AS base-cpu

# hadolint ignore=DL3006
FROM base-${DEVICE}
ARG DEVICE
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /app
COPY --from=build /app /app
# Every library that the provider wants is in the image, but for the driver, which the machine brings.
RUN mkdir --mode=1777 /cache \
  && if [ "$DEVICE" = cuda ]; then \
  ! ldd node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so \
  | grep "not found" | grep --invert-match "libcuda\.so\.1"; \
  fi
ENV NODE_ENV=production \
  PATH=/app/node_modules/.bin:$PATH \
  DEVICE=$DEVICE \
  CACHE_DIR=/cache \
  READY_FILE=/tmp/worker-ready
USER 10001:10001
STOPSIGNAL SIGTERM
# Models are fetched before it is ready.
HEALTHCHECK --interval=30s --timeout=5s --start-period=600s \
  CMD ["node", "-e", "process.exit(Date.now() - fs.statSync(process.env.READY_FILE).mtimeMs < 60000 ? 0 : 1)"]
CMD ["node", "gpu-worker/main.ts"]
