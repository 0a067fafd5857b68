#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The dashboard, the alerts and their note know of the metrics that --metrics writes, and of no others.
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1

"$PTCPDUMP" -r tests/golden/annotated.pcapng --metrics "$TEST_TMP/x.prom" 2>/dev/null
sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$TEST_TMP/x.prom" | sort >"$TEST_TMP/written"
is written "$(wc -l <"$TEST_TMP/written")" 9
named() { grep -ohE '\bptcpdump_[a-z_]+\b' "$@" | sort -u; } # FILE...
for file in deploy/grafana/ptcpdump.json docs/metrics.md; do
	is "all_metrics_in_$file" "$(named "$file" | xargs)" "$(xargs <"$TEST_TMP/written")"
done
is alerts_know_no_others "$(named deploy/prometheus/ptcpdump.rules.yml | comm -23 - "$TEST_TMP/written")" ""
# A label that is not there selects nothing, in silence.
labels=$(grep -ohE '\b[a-z]+=~?\\?"' deploy/grafana/ptcpdump.json deploy/prometheus/ptcpdump.rules.yml | sed 's/[=~\\"]*$//' | sort -u)
is labels_know_no_others "$(comm -23 <(echo "$labels") <({ grep -oE '[a-z]+="' "$TEST_TMP/x.prom" | tr -d '="' && printf '%s\n' instance file; } | sort -u))" ""

if command -v jq >/dev/null; then
	check dashboard_is_json jq -e '.panels | length > 10' deploy/grafana/ptcpdump.json >/dev/null
	is panels_are_numbered_apart "$(jq '[.panels[].id] | length - (unique | length)' deploy/grafana/ptcpdump.json)" 0
	is panels_do_not_overlap "$(jq '[.panels[].gridPos | . as $p | range($p.w) as $x | range($p.h) as $y | "\($p.x + $x) \($p.y + $y)"] |
		length - (unique | length)' deploy/grafana/ptcpdump.json)" 0
	is variables_are_there "$(comm -13 <(jq -r '.templating.list[].name, "__rate_interval", "__all"' deploy/grafana/ptcpdump.json | sort) \
		<(grep -oE '\$\{?[a-z_]+' deploy/grafana/ptcpdump.json | tr -d '${' | sort -u))" ""
else
	skip dashboard_is_json "jq is missing"
fi
if command -v promtool >/dev/null; then
	is alerts_are_rules "$(promtool check rules deploy/prometheus/ptcpdump.rules.yml 2>&1 | grep -c 'SUCCESS: [1-9]')" 1
	# What the panels ask for is what Prometheus understands: as rules of their own.
	if command -v jq >/dev/null; then
		jq '{ groups: [{ name: "panels", rules: [.panels[] | .id as $id | .targets[] |
			{ record: "panel:\($id)\(.refId)", expr: (.expr | gsub("\\$__rate_interval"; "5m")) }] }] }' \
			deploy/grafana/ptcpdump.json >"$TEST_TMP/panels.yml"
		is panels_are_expressions "$(promtool check rules "$TEST_TMP/panels.yml" 2>&1 | grep -c 'SUCCESS: [1-9]')" 1
	fi
else
	skip alerts_are_rules "promtool is missing"
fi
end_test
