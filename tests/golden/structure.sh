#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/check-structure accepts a good tree, and reports each violation put into one where it stands.
failed=0
licence='/* SPDX-License-Identifier: BSD-3-Clause */'

put() { # FILE LINE...: in the tree, below a licence
	local file=$tree/$1
	shift
	mkdir -p "$(dirname "$file")"
	printf '%s\n' "$licence" "$@" >"$file"
}

good_tree() {
	tree=$TEST_TMP/tree
	rm -rf "$tree"
	put src/main.c '#include "session.h"' '#include "capture/capture.h"' '' 'int main(void)' '{' '	return 0;' '}'
	put src/session.h '#include "options.h"'
	put src/options.h '#include "packet.h"'
	put src/packet.h '#include <ptcpdump/event.h>' '#include "util/str.h"'
	put src/annotation.c 'static const char *key = "ContainerId";'
	put src/capture/capture.h '#include "packet.h"'
	put src/capture/backend.c '	.name = "tc",' '	.name = "tp-btf",' '/* strcmp(name, "tc") */'
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

check() { # NAME EXPECTED: what is reported of the tree contains EXPECTED, and nothing else is reported
	local out status
	out=$("$TOP/scripts/check-structure" "$tree" 2>&1)
	status=$?
	if [ "$status" -eq 1 ] && [ "$(wc -l <<<"$out")" -eq "${3:-2}" ] && [[ $out == *"$2"* ]]; then
		echo "ok - $1"
	else
		echo "not ok - $1: exit status $status, $(head -n 3 <<<"$out" | tr '\n' ' ')"
		failed=1
	fi
}

function_of() { # LINES
	printf '%s\n' 'int f(void)' '{'
	yes '	g();' | head -n $(($1 - 3))
	printf '}\n'
}

good_tree
if out=$("$TOP/scripts/check-structure" "$tree"); then
	echo "ok - good_tree"
else
	echo "not ok - good_tree: $(head -n 3 <<<"$out" | tr '\n' ' ')"
	failed=1
fi

good_tree
put src/util/str.h '#include "packet.h"' # a circle of headers, too
check upward "src/util/str.h:2: util includes src/packet.h" 4
good_tree
put src/util/up.c '' '#include "session.h"'
check upward_to_main_level "src/util/up.c:3: util includes src/session.h of session"
good_tree
put src/output/text.c '#include "capture/capture.h"'
check sideways "src/output/text.c:2: output includes src/capture/capture.h of capture"
good_tree
put src/keylog.h '#include "list.h"'
put src/list.h ''
check sideways_without_a_folder "src/keylog.h:2: keylog includes src/list.h of list"
good_tree
put src/new.c ''
check without_a_level "src/new.c:1: has no place"
good_tree
put src/capture/use.c '#include "../../bpf/maps.bpf.h"'
check src_includes_bpf "src/capture/use.c:2: includes bpf/maps.bpf.h"
good_tree
put src/capture/a.h '#include "capture/b.h"'
put src/capture/b.h '#include "capture/a.h"'
check circle_of_headers "src/capture/a.h:2: includes src/capture/b.h" 3
good_tree
put src/meta/runtime/runtime.c 'int runtime_f(void)' '{' '	return join_f();' '}'
check circle_of_folders "src/meta/runtime/runtime.c:4: uses join_f of src/meta/join.c" 3
good_tree
put bpf/tc.bpf.c 'static struct event_packet *p;'
check bpf_uses_without_include "bpf/tc.bpf.c:2: uses event_packet of include/ptcpdump/event.h"
good_tree
put src/util/long.c "$(yes '/* */' | head -n 600)"
check long_file "src/util/long.c:601: 601 lines"
good_tree
put src/util/long.c '' "$(function_of 81)"
check long_function "src/util/long.c:3: f() has 81 lines"
good_tree
put src/filter/interpret.c "$(function_of 81 | sed 's/f(/run(/')"
put src/util/long.c '' "$(function_of 80)"
if "$TOP/scripts/check-structure" "$tree" >/dev/null; then
	echo "ok - interpreter_may_be_long"
else
	echo "not ok - interpreter_may_be_long"
	failed=1
fi
for i in 1 2 3 4 5 6 7 8; do
	put "src/util/long$i.c" "$(function_of 13)"
done
check median "more than 13 lines"
good_tree
put src/options.c '' '	if (strcmp(o->backend,' '		   "tp-btf") == 0)'
check backend_compared "src/options.c:3: compares with the backend's name tp-btf"
good_tree
put src/capture/sizes.c '' '	bpf_object__find_map_by_name(obj, "m");'
check map_by_name "src/capture/sizes.c:3: bpf_object__find_map_by_name()"
good_tree
put src/capture/sizes.c '	find_variable(obj, "m"); /* x */'
check variable_by_name "src/capture/sizes.c:2: find_variable()"
good_tree
put src/output/text.c '	put("ContainerId: ");'
check field_twice "src/output/text.c:2: the key ContainerId"
good_tree
echo '// SPDX-License-Identifier: BSD-3-Clause' >"$tree/src/util/str.c"
check licence "src/util/str.c:1: no licence"
exit $failed
