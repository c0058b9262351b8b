# The image of the gateway on Node: docker build -f deploy/docker/gateway.Dockerfile -t kith/gateway .
#
# BASE is any image on Debian's libraries that has Node 20.11 or newer with npm. None of it is in the image but Node and
# the libraries that it uses (assemble.sh).
ARG BASE=node:24-trixie-slim

FROM ${BASE} AS build
WORKDIR /opt/kith
COPY deploy/gateway/package.json deploy/gateway/package-lock.json deploy/gateway/.npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY deploy/gateway/*.mjs deploy/gateway/supergraph.graphql LICENSE ./
COPY deploy/docker/assemble.sh /build/
RUN sh /build/assemble.sh node /image /opt/kith

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="kith-gateway" \
      org.opencontainers.image.description="The GraphQL gateway of Kith, an open-source CRM backend" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /image /
ENV NODE_ENV=production \
    KITH_GATEWAY_HOST=0.0.0.0 \
    KITH_METRICS_PORT=9090
USER 10001:10001
EXPOSE 8000 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/kith/gateway.mjs"]
