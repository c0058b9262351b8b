# The image of the gateway in Rust: docker build -f deploy/docker/router.Dockerfile -t kith/router .
#
# Built from its crate, by the lock that is published with it: ten minutes on two cores, and 4 GB of disk. BASE is any image
# on Debian's libraries that has cargo 1.95 or newer, a C compiler and certificates. None of it is in the image but the
# libraries that the router is linked with (assemble.sh).
ARG BASE=rust:1.95-slim-trixie

FROM ${BASE} AS build
ARG HIVE_ROUTER=0.2.0
# The feature is for a page that is switched off: without it the build would fetch another one from npm.
RUN CARGO_PROFILE_RELEASE_STRIP=true CARGO_TARGET_DIR=/build/target cargo install hive-router --locked \
      --version "${HIVE_ROUTER}" --features graphiql --bin hive_router --root /usr/local \
 && rm -rf /build/target
WORKDIR /opt/kith
COPY deploy/gateway/router.yaml deploy/gateway/documents.json deploy/gateway/supergraph.graphql LICENSE ./
COPY deploy/docker/assemble.sh /build/
RUN sh /build/assemble.sh hive_router /image /opt/kith

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="kith-router" \
      org.opencontainers.image.description="The GraphQL gateway of Kith, an open-source CRM backend, by the Hive Router" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /image /
ENV ROUTER_CONFIG_FILE_PATH=/opt/kith/router.yaml \
    KITH_SUPERGRAPH=/opt/kith/supergraph.graphql \
    KITH_GATEWAY_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["hive_router"]
