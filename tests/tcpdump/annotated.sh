# SPDX-License-Identifier: BSD-3-Clause
# annotated.sh OPTIONS...: ptcpdump with OPTIONS, but each packet of the -r file has an owner (tests/helpers/annotate.c),
# whose text is taken out of the output again. What is left must be as without owners.
set -u

file=
for arg; do
	[ "$file" = -r ] && file=$arg && break
	[ "$arg" = -r ] && file=-r
done
[ -n "$file" ] || exec "$PTCPDUMP" "$@"

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
# A damaged file is annotated as far as it goes.
"$HELPERS/annotate" "$file" "$tmp/annotated.pcapng" 2>/dev/null
args=()
for arg; do
	[ "$arg" = "$file" ] && arg=$tmp/annotated.pcapng
	args+=("$arg")
done
"$PTCPDUMP" --context process,thread,parentproc,user,container,pod "${args[@]}" >"$tmp/out"
status=$?
perl -0777 -pe '
	s/zzif zzcmd\.4\d{6} (In|Out) //g;
	s/, Thread \[zzthread\.4\d{6}\], ParentProc \[zzparent\.4\d{6}\], Container \[zzcontainer\], Pod \[zzpod\.zzspace\]//g;
	s/\n    Process \(pid 4\d{6}, cmd \/usr\/bin\/zzcmd, args [^\n]*\)\n    Thread [^\n]*\n    User [^\n]*\n    ParentProc [^\n]*\n    Container [^\n]*\n    Pod \(name zzpod[^\n]*annotations \{\}\)//g;
' "$tmp/out"
exit "$status"
