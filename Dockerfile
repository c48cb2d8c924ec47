# hiif-serve. Targets: cpu (default) and cuda.
#   docker build -t hiif-serve .
#   docker build -t hiif-serve:cuda --target cuda .
FROM debian:12.12-slim AS build
WORKDIR /src
COPY . .
RUN scripts/setup \
 && scripts/build programs hiif_server_main hiif_main \
 && scripts/stage-runtime build/release /stage

FROM debian:12.12-slim AS build-cuda
ARG TORCH=2.13.0
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu130
WORKDIR /src
COPY . .
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/torch \
 && /opt/torch/bin/pip install --no-cache-dir --index-url "${TORCH_INDEX}" "torch==${TORCH}"
ENV LIBTORCH_ROOT=/opt/torch/lib/python3.11/site-packages/torch
RUN scripts/setup \
 && scripts/build cuda hiif_server_main hiif_main \
 && scripts/stage-runtime build/cuda /stage

FROM debian:12.12-slim AS base
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="hiif-serve" \
      org.opencontainers.image.description="Images enlarged by any factor: a gRPC service around HIIF" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/hiif/bin:$PATH \
    HIIF_MODEL_DIR=/models \
    HIIF_LISTEN=0.0.0.0:8500 \
    HIIF_MANAGEMENT_LISTEN=0.0.0.0:8501 \
    HIIF_INSECURE_LISTEN=true \
    HIIF_LOG_FORMAT=json
EXPOSE 8500 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["/opt/hiif/bin/hiif", "health", "--server", "127.0.0.1:8500"]
ENTRYPOINT ["/opt/hiif/bin/hiif-server"]

FROM base AS cuda
COPY --from=build-cuda /stage/packages.txt /tmp/packages.txt
# The list is made from what the programs link; versions are those of the pinned base.
# hadolint ignore=DL3008,SC2046
RUN apt-get update \
 && apt-get install -y --no-install-recommends $(cat /tmp/packages.txt) \
 && rm -rf /var/lib/apt/lists/* /tmp/packages.txt \
 && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin hiif
COPY --from=build-cuda /stage/opt /opt
COPY --from=build-cuda /src/models/*.safetensors /models/
ENV HIIF_DEVICE=cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001

FROM base AS cpu
COPY --from=build /stage/packages.txt /tmp/packages.txt
# hadolint ignore=DL3008,SC2046
RUN apt-get update \
 && apt-get install -y --no-install-recommends $(cat /tmp/packages.txt) \
 && rm -rf /var/lib/apt/lists/* /tmp/packages.txt \
 && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin hiif
COPY --from=build /stage/opt /opt
COPY --from=build /src/models/*.safetensors /models/
USER 10001:10001
