# One image for all roles: a static binary, the certificates it trusts, and a user. No
# shell, no package manager; about the size of the binary.
FROM --platform=$BUILDPLATFORM golang:1.26-alpine AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=container
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/levada ./cmd/levada
RUN printf 'levada:x:65532:65532:levada:/tmp:/none\n' > /out/passwd

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/passwd /etc/passwd
COPY --from=build /out/levada /usr/local/bin/levada
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["levada"]
