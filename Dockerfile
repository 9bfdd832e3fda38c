# The whole service (see docs/self-hosting.md): docker build .
# A worker of AWS: docker build --target worker .
# With a GPU: --build-arg DEVICE=cuda. With HEIC photos, see docs/photos.md: --build-arg HEIC=on
ARG DEVICE=cpu

FROM node:24.21.0-bookworm-slim AS build
ARG DEVICE
ARG HEIC=off
# The CUDA of onnxruntime-node 1.30; the base image below must have the same.
ARG CUDA_MAJOR=12
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Brings Node 24 itself along: the one of the lock file, by which everything runs below.
RUN npm ci --omit=dev --ignore-scripts \
  && if [ "$HEIC" = on ]; then \
  npm install --no-save --save-prod --omit=dev --ignore-scripts \
  "libheif-js@$(node --print "require('./package.json').peerDependencies['libheif-js']")"; \
  fi \
  && find node_modules/onnxruntime-node/bin/napi-v6 -mindepth 2 -maxdepth 2 \
  ! -path "*/linux/$(node --print process.arch)" -exec rm -rf {} +
# An install runs no scripts; this one, which fetches the CUDA provider, runs on purpose. The check is here because the
# provider's CUDA version has changed between releases without its name.
RUN if [ "$DEVICE" = cuda ]; then \
  ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js \
  && rm -f node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_tensorrt.so \
  && grep --quiet --text "libcudart\.so\.$CUDA_MAJOR" \
  node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so; \
  fi
COPY LICENSE NOTICE ./
COPY shared ./shared
COPY gpu-worker ./gpu-worker

FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04 AS base-cuda
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM ubuntu:24.04 AS base-cpu

# hadolint ignore=DL3006
FROM base-${DEVICE} AS runtime
ARG DEVICE
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /app
COPY --from=build /app /app
# Every library that the provider wants is in the image, but for the driver, which the machine brings.
RUN if [ "$DEVICE" = cuda ]; then \
  ! ldd node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so \
  | grep "not found" | grep --invert-match "libcuda\.so\.1"; \
  fi
ENV NODE_ENV=production \
  PATH=/app/node_modules/.bin:$PATH \
  DEVICE=$DEVICE
STOPSIGNAL SIGTERM

FROM runtime AS worker
RUN mkdir --mode=1777 /cache
ENV CACHE_DIR=/cache \
  READY_FILE=/tmp/worker-ready
USER 10001:10001
# Models are fetched before it is ready. DEAF_SECONDS of shared/limits.ts.
HEALTHCHECK --interval=30s --timeout=5s --start-period=600s \
  CMD ["node", "-e", "process.exit(Date.now() - fs.statSync(process.env.READY_FILE).mtimeMs < 120000 ? 0 : 1)"]
CMD ["node", "gpu-worker/main.ts"]

FROM runtime AS service
COPY cli ./cli
COPY functions ./functions
COPY local ./local
# A new volume gets the owner of the folder that it covers.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data \
  && mkdir /models
ENV HOST=0.0.0.0 \
  PORT=8787 \
  DATA_DIR=/data \
  MODELS_DIR=/models
USER 10001:10001
EXPOSE 8787
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["node", "local/check-ready.ts"]
CMD ["node", "local/main.ts"]
