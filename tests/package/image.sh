#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The image for containers: its digests, the same bytes each time, and that containerd and Docker run it. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-package.sh"

BUSYBOX=/bin/busybox
[ -x "$BUSYBOX" ] && ! ldd "$BUSYBOX" >/dev/null 2>&1 || skip_all "busybox is not static" image
[ -s /etc/ssl/certs/ca-certificates.crt ] || skip_all "ca-certificates is missing" image
need_static
arch=$(dpkg --print-architecture 2>/dev/null || uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
other=$(echo amd64arm64 | sed "s/$arch//")
IMAGE=$TEST_TMP/image.tar
NAME=docker.io/library/ptcpdump:$VERSION
ctd_pid='' dockerd_pid=''
cleanup() {
	[ -z "$ctd_pid" ] || kill "$ctd_pid"
	[ -z "$dockerd_pid" ] || kill "$dockerd_pid"
	wait
	umount -R "$TEST_TMP"/*/* 2>/dev/null
}

# Of the other architecture only the form is looked at.
echo "not a program" >"$TEST_TMP/other"
make_image() { scripts/image.py "$IMAGE" "$VERSION" 1700000000 "$arch=$STATIC,$BUSYBOX" "$other=$TEST_TMP/other,$TEST_TMP/other"; }
check made make_image
first=$(sha256sum <"$IMAGE")
make_image
is same_bytes "$(sha256sum <"$IMAGE")" "$first"
is layout "$(python3 - "$IMAGE" <<'PY'
import gzip, hashlib, json, sys, tarfile
tar = tarfile.open(sys.argv[1])
blobs = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
def get(d):
    data = blobs["blobs/sha256/" + d["digest"].split(":")[1]]
    assert len(data) == d["size"] and "sha256:" + hashlib.sha256(data).hexdigest() == d["digest"], d
    return data
assert json.loads(blobs["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
(index,) = json.loads(blobs["index.json"])["manifests"]
used = 1
for image in json.loads(get(index))["manifests"]:
    manifest = json.loads(get(image))
    config = json.loads(get(manifest["config"]))
    assert config["architecture"] == image["platform"]["architecture"]
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(gzip.decompress(get(l))).hexdigest() for l in manifest["layers"]]
    assert config["config"]["Entrypoint"] == ["ptcpdump"]
    print(image["platform"]["architecture"])
PY
)" "$arch
$other"
is usage "$(scripts/image.py x 2>&1 | cut -c1-6) $(scripts/image.py "$TEST_TMP/x" 1 1 amd64=/nonexistent,/nonexistent 2>&1)" \
	"usage: image.py: /nonexistent: No such file or directory"

cp tests/golden/annotated.pcapng "$TEST_TMP/shared.pcapng"
want=$("$PTCPDUMP" -n -r tests/golden/annotated.pcapng 2>/dev/null | sha256sum)

in_containerd() {
	local why ctr=(ctr -a "$TEST_TMP/ctd.sock" -n test)
	why=$(lacks containerd ctr runc)
	[ -z "$why" ] || {
		skip containerd "$why"
		return
	}
	printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n address = "%s"\n%s\n path = "%s"\n' \
		"$TEST_TMP/ctd-root" "$TEST_TMP/ctd-state" "$TEST_TMP/ctd.sock" '[plugins."io.containerd.internal.v1.opt"]' "$TEST_TMP/ctd-opt" \
		>"$TEST_TMP/ctd.toml"
	containerd --config "$TEST_TMP/ctd.toml" </dev/null >"$TEST_TMP/ctd.log" 2>&1 &
	ctd_pid=$!
	answers() { "${ctr[@]}" version >/dev/null 2>&1; }
	wait_for 20 answers
	"${ctr[@]}" image import --snapshotter native "$IMAGE" >&2
	is containerd_name "$("${ctr[@]}" image ls -q)" "$NAME"
	run() { "${ctr[@]}" run --rm --snapshotter native --mount "type=bind,src=$TEST_TMP/shared.pcapng,dst=/x.pcapng,options=bind:ro" "$NAME" "$@"; }
	is containerd_version "$(run a ptcpdump --version | head -n 1)" "ptcpdump version $VERSION"
	is containerd_reads "$(run b ptcpdump -n -r /x.pcapng 2>"$TEST_TMP/err" | sha256sum)" "$want"
	cat "$TEST_TMP/err" >&2
	# shellcheck disable=SC2016 # for the shell there
	is containerd_shell "$(run c sh -c 'for f in /bin/*; do [ -x $f ] || echo $f; done; sleep 0 && tar -cf - /x.pcapng | tar -tf - && id -un nobody')" \
		"x.pcapng
nobody"
}

in_docker() {
	local why docker=(docker -H "unix://$TEST_TMP/docker.sock")
	why=$(lacks dockerd docker runc)
	[ -z "$why" ] || {
		skip docker "$why"
		return
	}
	dockerd --data-root "$TEST_TMP/docker-root" --exec-root "$TEST_TMP/docker-exec" --pidfile "$TEST_TMP/dockerd.pid" --bridge none \
		--iptables=false --ip6tables=false --storage-driver vfs -H "unix://$TEST_TMP/docker.sock" </dev/null >"$TEST_TMP/dockerd.log" 2>&1 &
	dockerd_pid=$!
	answers() { "${docker[@]}" version >/dev/null 2>&1; }
	wait_for 20 answers
	is docker_loads "$("${docker[@]}" load -q -i "$IMAGE" | sort)" "Loaded image: ptcpdump:$VERSION
Loaded image: ptcpdump:$VERSION-$other"
	run() { "${docker[@]}" run --rm --network none -v "$TEST_TMP/shared.pcapng:/x.pcapng:ro" "ptcpdump:$VERSION" "$@"; }
	is docker_version "$(run --version | head -n 1)" "ptcpdump version $VERSION"
	is docker_reads "$(run -n -r /x.pcapng 2>"$TEST_TMP/err" | sha256sum)" "$want"
	cat "$TEST_TMP/err" >&2
}
in_containerd
in_docker
end_test
