# The sampler: docker build -f deploy/docker/sampler.Dockerfile -t apa-sampler .
#
# Torch is what TORCH says. PyPI's Linux build brings CUDA (run with `--gpus all`). The CPU build is gigabytes smaller:
#   --build-arg TORCH=torch==2.13.0+cpu
#   --build-arg PIP_EXTRA_INDEX_URL=...    PyTorch's CPU index; its address: the selector on pytorch.org
FROM python:3.11-slim AS build
ARG TORCH=torch==2.13.0
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/apa
ENV PATH=/opt/apa/bin:$PATH
WORKDIR /src
# Torch has a layer of its own: it is the largest, and changes least.
COPY constraints.txt ./
RUN pip install -c constraints.txt "$TORCH"
COPY . .
RUN pip install -c constraints.txt '.[sampler]'

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home apa
COPY --from=build /opt/apa /opt/apa
ENV PATH=/opt/apa/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    APA_SAMPLER_HOST=0.0.0.0 \
    APA_SAMPLER_PORT=50051 \
    APA_SAMPLER_METRICS_PORT=9464
USER 10001
EXPOSE 50051 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "apa.rpc.probe", "127.0.0.1:50051"]
ENTRYPOINT ["python", "-m", "sampler_service"]
