# The feedback service, without torch: docker build -f deploy/docker/feedback.Dockerfile -t apa-feedback .
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/apa
ENV PATH=/opt/apa/bin:$PATH
WORKDIR /src
COPY . .
RUN pip install -c constraints.txt '.[feedback]'

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home apa
COPY --from=build /opt/apa /opt/apa
ENV PATH=/opt/apa/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    APA_FEEDBACK_HOST=0.0.0.0 \
    APA_FEEDBACK_PORT=50052 \
    APA_FEEDBACK_METRICS_PORT=9464
USER 10001
EXPOSE 50052 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "apa.rpc.probe", "127.0.0.1:50052"]
ENTRYPOINT ["python", "-m", "feedback_service"]
