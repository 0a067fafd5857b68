# SPDX-License-Identifier: BSD-3-Clause
FROM debian:bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY . .
RUN scripts/setup.sh build static && make static

FROM debian:bookworm-slim
COPY --from=build /src/build/static/ptcpdump /usr/local/bin/ptcpdump
ENTRYPOINT ["ptcpdump"]
