# docker build -t ser-recipes .
# docker run --rm ser-recipes train hparams/multiobjective.yaml --output_folder=/tmp/first
# docker run --rm -p 7860:7860 -v $PWD/model:/model ser-recipes app /model --host 0.0.0.0
#
# torch brings its CUDA libraries (5 GB). Without a GPU, give the address of PyTorch's CPU index:
# docker build --build-arg TORCH_INDEX=... -t ser-recipes .
FROM python:3.12-slim
ARG TORCH_INDEX=""
RUN apt-get update && apt-get install --yes --no-install-recommends libsndfile1 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/ser-recipes
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt \
    ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} '.[app]'
WORKDIR /work
ENTRYPOINT ["ser"]
CMD ["--help"]
