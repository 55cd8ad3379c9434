# The server as one executable on an image without a shell.
#
#   docker build -t external-server .
#   docker run external-server
#
# Serves config/container.json with the example module. Put another configuration over it, so that the
# health check knows it, and your modules where it names them:
#
#   docker run -v ./config.json:/config/container.json:ro -v ./modules:/modules:ro ...
#
# Libraries that were built with GCC 13 or 14 need a newer C++ runtime than Debian 12 has:
#
#   docker build --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian13:nonroot .
#
# The tags name versions; for a build that is the same for ever, name them with their digests:
#
#   docker build --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:... .
ARG BUILD_IMAGE=node:22.12.0-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# With a C compiler, for the example module.
FROM ${BUILD_IMAGE} AS build
RUN npm install --global deno@2.9.6
WORKDIR /build
COPY deno.json deno.lock ./
COPY .ci/base_runtime.ts .ci/compile.ts .ci/licenses.ts .ci/
COPY examples/module/ examples/module/
COPY examples/module-ts/ examples/module-ts/
COPY src/ src/
RUN make -C examples/module
RUN deno task compile

# Has the C and C++ runtimes that modules are linked to, and a user that is not root.
FROM ${BASE_IMAGE}
COPY --from=build /build/dist/external-server /usr/local/bin/external-server
COPY --from=build /build/dist/THIRD_PARTY_LICENSES /usr/share/doc/external-server/
COPY --from=build /build/examples/module/build/example_module.so /usr/local/lib/external-server/
COPY LICENSE /usr/share/doc/external-server/
COPY config/container.json /config/container.json
WORKDIR /home/nonroot
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
  CMD ["/usr/local/bin/external-server", "health", "/config/container.json"]
ENTRYPOINT ["/usr/local/bin/external-server"]
CMD ["/config/container.json"]
