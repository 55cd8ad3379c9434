# The server as one executable on an image without a shell.
#
#   docker build -t external-server .
#   docker run -v ./modules:/modules:ro external-server
#
# Serves config/container.json, unless another configuration is named:
#
#   docker run -v ./config.json:/config/config.json:ro ... external-server /config/config.json

FROM node:22-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
RUN npm install --global deno@2.9.6
WORKDIR /build
COPY deno.json deno.lock ./
COPY examples/module/ examples/module/
COPY src/ src/
RUN deno task compile

# Has the C and C++ runtimes that modules are linked to.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/dist/external-server /usr/local/bin/external-server
COPY config/container.json /config/container.json
WORKDIR /home/nonroot
ENTRYPOINT ["/usr/local/bin/external-server"]
CMD ["/config/container.json"]
