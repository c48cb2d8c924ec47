# hiif-serve. Targets: cpu (default) and cuda. Needs BuildKit: DOCKER_BUILDKIT=1 for docker before 23.
#   docker build -t hiif-serve .
#   docker build -t hiif-serve:cuda --target cuda .
#   docker build --build-arg BASE=debian:12.12-slim@sha256:DIGEST .      pins the base
ARG BASE=debian:12.12-slim

# --- what compiling needs: changes with the lists in scripts/ alone
FROM ${BASE} AS dependencies
WORKDIR /src
COPY scripts/setup scripts/
COPY scripts/lib/common.sh scripts/lib/packages.txt scripts/lib/versions.sh scripts/lib/

FROM dependencies AS dependencies-cpu
RUN scripts/setup

FROM dependencies AS dependencies-cuda
# hadolint ignore=DL3008,SC1091
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/torch \
 && . scripts/lib/versions.sh \
 && /opt/torch/bin/pip install --no-cache-dir "torch==${CUDA_TORCH_VERSION}" \
 && ln -s /opt/torch/lib/python3*/site-packages/torch /opt/libtorch
ENV LIBTORCH_ROOT=/opt/libtorch
RUN scripts/setup

# --- compiling: an edit of a source begins here, with the compiler's cache of builds before
FROM dependencies-cpu AS build-cpu
COPY . .
RUN --mount=type=cache,target=/root/.cache/ccache \
    scripts/build programs hiif_server_main hiif_main \
 && scripts/stage-runtime build/release /stage

FROM dependencies-cuda AS build-cuda
COPY . .
RUN --mount=type=cache,target=/root/.cache/ccache \
    scripts/build cuda hiif_server_main hiif_main \
 && scripts/stage-runtime build/cuda /stage

# --- what runs
FROM ${BASE} AS base
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="hiif-serve" \
      org.opencontainers.image.description="Images enlarged by any factor: a gRPC service around HIIF" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# Settings are in a file: as variables they would win over any other file (--config).
ENV PATH=/opt/hiif/bin:$PATH \
    HIIF_CONFIG=/etc/hiif/server.json
# /models is where the programs look for the models installed with them.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin hiif \
 && mkdir -p /opt/hiif/share/hiif \
 && ln -s /models /opt/hiif/share/hiif/models
EXPOSE 8500 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["/opt/hiif/bin/healthcheck"]
ENTRYPOINT ["/opt/hiif/bin/hiif-server"]

FROM base AS cuda
COPY --from=build-cuda /stage/packages.txt /tmp/packages.txt
# The list is made from what the programs link; versions are those of the pinned base.
# hadolint ignore=DL3008,SC2046
RUN apt-get update \
 && apt-get install -y --no-install-recommends $(cat /tmp/packages.txt) \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /tmp/packages.txt
COPY --from=build-cuda /stage/opt /opt
COPY --chmod=0755 packaging/image/healthcheck /opt/hiif/bin/
COPY --chmod=0644 packaging/image/cuda.json /etc/hiif/server.json
COPY --chmod=0644 models/*.safetensors /models/
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001

FROM base AS cpu
COPY --from=build-cpu /stage/packages.txt /tmp/packages.txt
# hadolint ignore=DL3008,SC2046
RUN apt-get update \
 && apt-get install -y --no-install-recommends $(cat /tmp/packages.txt) \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /tmp/packages.txt
COPY --from=build-cpu /stage/opt /opt
COPY --chmod=0755 packaging/image/healthcheck /opt/hiif/bin/
COPY --chmod=0644 packaging/image/cpu.json /etc/hiif/server.json
COPY --chmod=0644 models/*.safetensors /models/
USER 10001:10001
