# SPDX-License-Identifier: BSD-3-Clause
# For whoever builds from source; scripts/release.sh makes the image of a release, for both architectures, without a container tool.
FROM debian:bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
# What changes rarely first: the packages stay when the sources change.
COPY scripts/setup.sh scripts/find-bpftool.sh scripts/
RUN scripts/setup.sh build static
COPY . .
RUN make -j"$(nproc)" static

FROM debian:bookworm-slim
# Certificates: the BTF of a kernel that brings none comes by https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/LICENSE /src/NOTICE /usr/share/doc/ptcpdump/
COPY --from=build /src/LICENSES /usr/share/doc/ptcpdump/LICENSES
COPY --from=build /src/build/static/ptcpdump /usr/bin/ptcpdump
ENTRYPOINT ["ptcpdump"]
