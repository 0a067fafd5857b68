#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/check-structure accepts a good tree, and reports each violation put into one where it stands.
. "$(dirname "$0")/../lib.sh"
put() { # FILE LINE...: in the tree, below a licence
	local file=$tree/$1 licence=BSD-3-Clause
	case $1 in
	bpf/* | include/*) licence="BSD-3-Clause OR GPL-2.0-only" ;;
	esac
	shift
	mkdir -p "$(dirname "$file")"
	printf '%s\n' "/* SPDX-License-Identifier: $licence */" "$@" >"$file"
}

good_tree() {
	tree=$TEST_TMP/tree
	rm -rf "$tree"
	put src/main.c '#include "session.h"' '#include "capture/capture.h"' '' 'int main(void)' '{' '	return 0;' '}'
	put src/session.h '#include "options.h"'
	put src/options.h '#include "packet.h"'
	put src/packet.h '#include <ptcpdump/event.h>' '#include "util/str.h"'
	put src/annotation.c '{ .key = "ContainerId" },' '{ .key = "PID" },' '{ .key = "Cmd", .alias = "Command" },'
	put src/reader/log.c 'log_info("the Command: %s", "PID", "Cmds: ", "APID:");'
	put src/capture/capture.h '#include "packet.h"'
	put src/capture/backend.c '	FIRST("tc",' '	NEXT("tp-btf",' '/* strcmp(name, "tc") */'
	put src/output/file_tc.c '{ .name = "tc", .help = "tcp", .title = "not tc" }' ''
	put src/filter/load.c 'int filter_load(void)' '{' '	bpf_object__find_map_by_name(obj, "m");' '}'
	put src/util/str.h 'int str_f(void);'
	put src/util/str.c '#include "util/str.h"' '' 'int str_f(void)' '{' '	return 0;' '}'
	put src/meta/join.c '#include "meta/runtime/runtime.h"' '' 'int join_f(void)' '{' '	return runtime_f();' '}'
	put src/meta/runtime/runtime.h 'int runtime_f(void);'
	put src/meta/runtime/runtime.c 'int runtime_f(void)' '{' '	return r->join_f + str_f();' '}'
	put include/ptcpdump/event.h 'struct event_packet {' '	int type;' '};'
	put bpf/maps.bpf.h '#include <ptcpdump/event.h>' 'struct {' '} ptcp_map __weak SEC(".maps");'
	put bpf/tc.bpf.c '#include "maps.bpf.h"' 'static struct event_packet *p = &ptcp_map;'
}

reported() { # NAME EXPECTED [LINES]: what is reported of the tree contains EXPECTED, and nothing else is reported
	local out status
	out=$("$TOP/scripts/check-structure" "$tree" 2>&1)
	status=$?
	if [ "$status" -eq 1 ] && [ "$(wc -l <<<"$out")" -eq "${3:-2}" ] && [[ $out == *"$2"* ]]; then
		ok "$1"
	else
		bad "$1" "exit status $status, $(head -n 3 <<<"$out")"
	fi
}

accepted() { # NAME
	local out
	if out=$("$TOP/scripts/check-structure" "$tree"); then ok "$1"; else bad "$1" "$(head -n 3 <<<"$out")"; fi
}

function_of() { # LINES
	printf '%s\n' 'int f(void)' '{'
	yes '	g();' | head -n $(($1 - 3))
	printf '}\n'
}

good_tree
accepted good_tree

good_tree
put src/util/str.h '#include "packet.h"' # a circle of headers, too
reported upward "src/util/str.h:2: util includes src/packet.h" 4
good_tree
put src/util/up.c '' '#include "session.h"'
reported upward_to_main_level "src/util/up.c:3: util includes src/session.h of session"
good_tree
put src/output/text.c '#include "capture/capture.h"'
reported sideways "src/output/text.c:2: output includes src/capture/capture.h of capture"
good_tree
put src/output/text.c '#include <capture/capture.h>' '#include <stdio.h>'
reported sideways_in_angles "src/output/text.c:2: output includes src/capture/capture.h of capture"
good_tree
put src/keylog.h '#include "list.h"'
put src/list.h ''
reported sideways_without_a_folder "src/keylog.h:2: keylog includes src/list.h of list"
good_tree
put src/new.c ''
reported without_a_level "src/new.c:1: has no place"
good_tree
put src/capture/use.c '#include "../../bpf/maps.bpf.h"'
reported src_includes_bpf "src/capture/use.c:2: includes bpf/maps.bpf.h"
good_tree
put src/capture/a.h '#include "capture/b.h"'
put src/capture/b.h '#include "capture/a.h"'
reported circle_of_headers "src/capture/a.h:2: includes src/capture/b.h" 3
good_tree
put src/meta/runtime/runtime.c 'int runtime_f(void)' '{' '	return join_f();' '}'
reported circle_of_folders "src/meta/runtime/runtime.c:4: uses join_f of src/meta/join.c" 3
good_tree
put bpf/tc.bpf.c 'static struct event_packet *p;'
reported bpf_uses_without_include "bpf/tc.bpf.c:2: uses event_packet of include/ptcpdump/event.h"
good_tree
put src/util/long.c "$(yes '/* */' | head -n 600)"
reported long_file "src/util/long.c:601: 601 lines"
good_tree
put src/util/long.c '' "$(function_of 81)"
reported long_function "src/util/long.c:3: f() has 81 lines"
good_tree
put src/filter/interpret.c "$(function_of 81 | sed 's/f(/run(/')"
put src/util/long.c '' "$(function_of 80)"
accepted interpreter_may_be_long
for i in 1 2 3 4 5 6 7 8; do
	put "src/util/long$i.c" "$(function_of 13)"
done
reported median "more than 13 lines"
good_tree
put src/options.c '' '	if (strcmp(o->backend,' '		   "tp-btf") == 0)'
reported backend_compared "src/options.c:4: names the backend tp-btf"
good_tree
put src/options.c '	b = backend_find("tp-btf");'
reported backend_looked_up "src/options.c:2: names the backend tp-btf"
good_tree
put src/options.c '#define TRACEPOINTS "tp-btf"'
reported backend_defined "src/options.c:2: names the backend tp-btf"
good_tree
put src/options.c '	if (word_in("tc tp-btf", b))'
reported backends_listed "src/options.c:2: names the backend tc"
good_tree
put src/capture/backend.c ''
reported no_backends "src/capture/backend.c:1: has no rows"
good_tree
rm "$tree/src/capture/backend.c"
reported no_table_of_backends "src/capture/backend.c:1: has no rows"
good_tree
put src/capture/sizes.c '' '	bpf_object__find_map_by_name(obj, "m");'
reported map_by_name "src/capture/sizes.c:3: bpf_object__find_map_by_name()"
good_tree
put src/capture/sizes.c '	find_variable(obj, "m"); /* x */'
reported variable_by_name "src/capture/sizes.c:2: find_variable()"
good_tree
put src/output/text.c '	put("ContainerId: ");'
reported field_twice "src/output/text.c:2: the key ContainerId"
good_tree
put src/output/text.c '	put("ContainerId");'
reported field_alone "src/output/text.c:2: the key ContainerId"
good_tree
put src/output/text.c '' '	put("x\nContainerId: %s\n");'
reported field_in_a_format "src/output/text.c:3: the key ContainerId"
good_tree
put src/output/text.c '	put("PID: ");'
reported field_of_one_word "src/output/text.c:2: the key PID"
good_tree
put src/annotation.c ''
reported no_fields "src/annotation.c:1: has no rows"
good_tree
rm "$tree/src/annotation.c"
reported no_table_of_fields "src/annotation.c:1: has no rows"
good_tree
sed -i '$a\	pid = BPF_CORE_READ(task, tgid);' "$tree/bpf/tc.bpf.c"
reported pid_of_the_kernel "reads BPF_CORE_READ(task, tgid)"
good_tree
sed -i '$a\	pid = task_tgid(task, task->tgid); if (TASK_READ(task, tgid) != TASK_READ(task, pid))' "$tree/bpf/tc.bpf.c"
accepted pid_translated
good_tree
echo '// SPDX-License-Identifier: BSD-3-Clause' >"$tree/src/util/str.c"
reported licence_comment "src/util/str.c:1: another licence"
good_tree
printf 'int str_f(void);\n' >"$tree/src/util/str.h"
reported no_licence "src/util/str.h:1: another licence, or none"
good_tree
sed -i 's/BSD-3-Clause/Nonsense/' "$tree/src/main.c"
reported unknown_licence "src/main.c:1: another licence"
good_tree
sed -i 's/ OR GPL-2.0-only//' "$tree/bpf/tc.bpf.c"
reported licence_of_programs "bpf/tc.bpf.c:1: another licence"
good_tree
sed -i 's/Clause/& OR GPL-2.0-only/' "$tree/src/main.c"
reported licence_of_the_program "src/main.c:1: another licence"
end_test
