#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What deploy/kubernetes has: read as YAML, against what must be in it, and through a real kubectl's types if there is one."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    print("skip - kubernetes: python3-yaml is missing")
    sys.exit(0)

TOP = os.environ.get("TOP") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(BUILD, "ptcpdump"))
FOLDER = os.path.join(TOP, "deploy", "kubernetes")
PLUGIN = os.path.join(FOLDER, "kubectl-ptcpdump")
SHELLS = [s for s in (["dash"], ["busybox", "ash"], ["bash", "--posix"]) if shutil.which(s[0])]
failed = False


def is_(name, got, want):
    global failed
    if got == want:
        print("ok - " + name)
    else:
        failed = True
        print("not ok - %s: %.300r, not %.300r" % (name, got, want))


def load(name):
    with open(os.path.join(FOLDER, name)) as f:
        return list(yaml.safe_load_all(f))


def plugin(*words, shell=("sh",), **more):
    return subprocess.run([*shell, PLUGIN, *words], capture_output=True, text=True, timeout=60, **more)


def mounts(spec):
    volumes = {v["name"]: v for v in spec["volumes"]}
    return {m["mountPath"]: (volumes[m["name"]].get("hostPath", {}).get("path"), bool(m.get("readOnly")))
            for m in spec["containers"][0]["volumeMounts"]}


# --- the pod of the plug-in ---

def test_pod():
    texts = []
    for shell in SHELLS:
        done = plugin("--dry-run", "--node", "n1", "--node", "123", "--agent-labels", "team=net,example.org/x=", "--agent-service-account", "sa",
                      "--agent-pull-policy", "Never", "--agent-image", "r.example:5000/a/b@sha256:00", "--agent-namespace", "true",
                      "--agent-lifetime", "60", shell=shell)
        pods = list(yaml.safe_load_all(done.stdout))
        is_("pod_" + shell[0], (done.returncode, done.stderr, [p["spec"]["nodeName"] for p in pods]), (0, "", ["n1", "123"]))
        texts.append(pods)
    pod = texts[0][0]
    meta, spec, container = pod["metadata"], pod["spec"], pod["spec"]["containers"][0]
    is_("pod_namespace", meta["namespace"], "true")
    is_("pod_labels", (meta["labels"]["team"], meta["labels"]["example.org/x"], meta["labels"]["app.kubernetes.io/managed-by"]),
        ("net", "", "kubectl-ptcpdump"))
    is_("pod_owner", [bool(meta["labels"]["kubectl-ptcpdump/" + k]) for k in ("owner", "pid", "run")], [True] * 3)
    is_("pod_sees_the_host", (spec["hostPID"], spec["hostNetwork"], container["securityContext"]["privileged"]), (True, True, True))
    is_("pod_anywhere", spec["tolerations"], [{"operator": "Exists"}])
    is_("pod_ends", (spec["activeDeadlineSeconds"], spec["restartPolicy"], container["command"]), (60, "Never", ["sleep", "60"]))
    is_("pod_account", (spec["serviceAccountName"], spec["automountServiceAccountToken"]), ("sa", False))
    is_("pod_image", (container["image"], container["imagePullPolicy"]), ("r.example:5000/a/b@sha256:00", "Never"))
    is_("pod_mounts", mounts(spec), {"/host": ("/", True), "/sys/fs/bpf": ("/sys/fs/bpf", False), "/sys/fs/cgroup": ("/sys/fs/cgroup", True)})
    return pod


# --- what is applied ---

def test_namespace():
    (namespace,) = load("namespace.yaml")
    is_("namespace", (namespace["kind"], namespace["metadata"]["name"]), ("Namespace", "ptcpdump"))
    is_("namespace_pod_security", namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged")


def test_rbac():
    """As much as the calls of the plug-in take (tests/system/kubectl.sh), and no more."""
    found = {(d["kind"], d["metadata"]["name"]): d for d in load("rbac.yaml")}
    rules = {name: {(r, v) for rule in found["ClusterRole", name]["rules"] for r in rule["resources"] for v in rule["verbs"]}
             for name in ("ptcpdump-targets", "ptcpdump-agents")}
    is_("rbac_everywhere", rules["ptcpdump-targets"], {(r, v) for r in ("pods", "nodes") for v in ("get", "list")})
    is_("rbac_own_namespace", rules["ptcpdump-agents"], {("pods", v) for v in ("get", "list", "create", "delete")} |
        {("pods/exec", "create"), ("pods/exec", "get"), ("events", "list")})
    is_("rbac_bound", (found["ClusterRoleBinding", "ptcpdump-targets"]["roleRef"]["name"], found["RoleBinding", "ptcpdump-agents"]["roleRef"]["name"],
                       found["RoleBinding", "ptcpdump-agents"]["metadata"]["namespace"]), ("ptcpdump-targets", "ptcpdump-agents", "ptcpdump"))
    is_("rbac_same_subjects", found["ClusterRoleBinding", "ptcpdump-targets"]["subjects"], found["RoleBinding", "ptcpdump-agents"]["subjects"])
    is_("rbac_nothing_else", len(found), 4)


def test_daemonset():
    (daemonset,) = load("daemonset.yaml")
    template = daemonset["spec"]["template"]
    spec, container = template["spec"], template["spec"]["containers"][0]
    security, args = container["securityContext"], container["args"]
    is_("daemonset_selector", daemonset["spec"]["selector"]["matchLabels"], template["metadata"]["labels"])
    is_("daemonset_is_no_pod_of_the_plugin", "app.kubernetes.io/managed-by" in template["metadata"]["labels"], False)
    is_("daemonset_sees_the_host", (spec["hostPID"], spec["hostNetwork"]), (True, True))
    is_("daemonset_not_privileged", (security["privileged"], security["readOnlyRootFilesystem"], security["capabilities"]["drop"]), (False, True, ["ALL"]))
    is_("daemonset_limits", sorted(container["resources"]["limits"]), ["cpu", "memory"])
    where = mounts(spec)
    is_("daemonset_writes_only", sorted(m for m, (_, read_only) in where.items() if not read_only), ["/captures", "/metrics", "/tmp"])
    is_("daemonset_files", [os.path.dirname(args[args.index(o) + 1]) in where for o in ("-w", "--metrics")], [True, True])
    is_("daemonset_ring", [args[args.index(o) + 1] for o in ("-C", "-W")], ["100", "10"])
    if os.geteuid() != 0:
        print("skip - daemonset_words_are_options: needs root")
        return daemonset
    with tempfile.TemporaryDirectory() as folder:
        words = [w.replace("/captures", folder).replace("/metrics", folder) for w in args]
        # An expression that is wrong is told after the options, before privileges are.
        done = subprocess.run([PTCPDUMP, *words[:-1], "no such word"], capture_output=True, text=True, timeout=20)
        is_("daemonset_words_are_options", (done.returncode, "no such word" in done.stderr or "syntax" in done.stderr, os.listdir(folder)), (1, True, []))
    return daemonset


def test_krew():
    (krew,) = load("ptcpdump.yaml")
    spec = krew["spec"]
    is_("krew_kind", (krew["apiVersion"], krew["kind"], krew["metadata"]["name"]), ("krew.googlecontainertools.github.com/v1alpha2", "Plugin", "ptcpdump"))
    is_("krew_version", spec["version"][0], "v")
    is_("krew_keys", sorted(spec), ["caveats", "description", "homepage", "platforms", "shortDescription", "version"])
    is_("krew_short", len(spec["shortDescription"]) <= 80 and not spec["shortDescription"].endswith("."), True)
    for platform in spec["platforms"]:
        is_("krew_platform", sorted(platform), ["bin", "files", "selector", "sha256", "uri"])
        is_("krew_sha256", (len(platform["sha256"]), set(platform["sha256"]) <= set("0123456789abcdef")), (64, True))
        sources = [f["from"] for f in platform["files"]]
        is_("krew_files", [os.path.exists(os.path.join(TOP, s.partition("/")[2])) for s in sources], [True] * len(sources))
        is_("krew_bin", (platform["bin"], platform["selector"]["matchExpressions"][0]["key"]), ("kubectl-ptcpdump", "os"))
    with open(os.path.join(TOP, "Makefile")) as f:
        release = next(line.split(":=")[1].strip() for line in f if line.startswith("VERSION "))
    default = plugin("--dry-run", "--node", "n1").stdout
    is_("one_version", (spec["version"], 'image: "ptcpdump:%s"' % release in default, load("daemonset.yaml")[0]["spec"]["template"]["spec"]["containers"]
                        [0]["image"]), ("v" + release, True, "ptcpdump:" + release))


# --- a real kubectl ---

def lost(want, got, where=""):
    """What of want is not in got."""
    if isinstance(want, dict):
        return [x for k, v in want.items() for x in lost(v, got.get(k) if isinstance(got, dict) else None, where + "." + str(k))]
    if isinstance(want, list) and isinstance(got, list) and len(want) <= len(got):
        return [x for i, v in enumerate(want) for x in lost(v, got[i], "%s[%d]" % (where, i))]
    return [] if want == got or want == "" and got is None else [where]


def test_kubectl(pod, daemonset):
    """Fields that Kubernetes does not have are not in what it makes of a manifest. What the types leave to the server stays unchecked."""
    if not shutil.which("kubectl"):
        print("skip - kubectl_types: kubectl is missing")
        return
    with tempfile.TemporaryDirectory() as home:
        for name, value, command in (("pod", pod, ["set", "env", "A=b"]), ("daemonset", daemonset, ["set", "env", "A=b"]),
                                     *((d["kind"], d, ["set", "subject", "--user=x"]) for d in load("rbac.yaml") if d["kind"].endswith("Binding"))):
            file = os.path.join(home, "manifest.json")
            with open(file, "w") as f:
                json.dump(value, f)
            done = subprocess.run(["kubectl", *command, "--local", "-f", file, "-o", "json"], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "HOME": home})
            is_("kubectl_types_" + name, (done.returncode, lost(value, json.loads(done.stdout or "{}"))), (0, []))


def test_install():
    with tempfile.TemporaryDirectory() as root:
        more = ["make", "-s", "-C", TOP, "-o", BUILD + "/ptcpdump", "B=" + BUILD, "DESTDIR=" + root, "WIRESHARK_PLUGINS=", "WIRESHARK_PROFILES=", "EXTCAPDIR="]
        subprocess.run([*more, "install"], capture_output=True, timeout=100)
        installed = os.path.join(root, "usr/local/bin/kubectl-ptcpdump")
        is_("install", os.access(installed, os.X_OK), True)
        subprocess.run([*more, "uninstall"], capture_output=True, timeout=100)
        is_("uninstall", os.path.exists(installed), False)


agent = test_pod()
test_namespace()
test_rbac()
recorder = test_daemonset()
test_krew()
test_kubectl(agent, recorder)
test_install()
sys.exit(failed)
