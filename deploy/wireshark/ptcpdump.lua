-- SPDX-License-Identifier: BSD-3-Clause
--
-- Wireshark and tshark, 3.6 and later: fields ptcpdump.* from the comments that ptcpdump gives each packet
-- (docs/format.md), and Tools > ptcpdump > Traffic by process. docs/wireshark.md tells how to use them.
--
-- Comments may be anybody's: as in ptcpdump itself, the first line says what a comment is about, only the keys of that
-- count in it, each once, any other line continues the value before it, and of each kind the first comment counts.

set_plugin_info({ version = "1.0", description = "Processes, containers and pods of packets", author = "ptcpdump" })

local comments_of = Field.new("frame.comment")
local ptcpdump = Proto("ptcpdump", "ptcpdump")

-- --- what comments say ---------------------------------------------------------------------------------------------

-- Each group is one comment; its rows are key, field (below "ptcpdump."), title, kind. The order is that in which a
-- reference counts them. Kinds: pid (a number, "@host" may follow), number, text (escaped), json, optional (a text that
-- may be absent and begins no comment). Options: heading (the field that the others stand below), needs (the group
-- without which it says nothing), once (written only with the first of all packets that tell the same).
local GROUPS = {
	{ name = "process", heading = "proc",
		{ "PID", "pid", "Process ID", "pid" },
		{ "Cmd", "cmd", "Executable", "text", alias = "Command" }, { "Args", "args", "Arguments", "text" },
		{ "Name", "name", "Name", "optional" }, { "Comm", "comm", "Comm", "optional" } },
	{ name = "thread",
		{ "ThreadId", "tid", "Thread ID", "pid", alias = "TID" }, { "ThreadName", "thread", "Thread", "text" } },
	{ name = "user", { "UserId", "uid", "User ID", "number" }, { "GroupId", "gid", "Group ID", "number" } },
	{ name = "parent", heading = "parent",
		{ "ParentPID", "parent.pid", "Process ID of the parent", "pid" },
		{ "ParentCmd", "parent.cmd", "Executable of the parent", "text", alias = "ParentCommand" },
		{ "ParentArgs", "parent.args", "Arguments of the parent", "text" },
		{ "ParentName", "parent.name", "Name of the parent", "optional" },
		{ "ParentComm", "parent.comm", "Comm of the parent", "optional" } },
	{ name = "container", { "ContainerName", "container", "Container", "text" },
		{ "ContainerId", "container.id", "Container ID", "text" },
		{ "ContainerImage", "container.image", "Container image", "text" },
		{ "ContainerLabels", "container.labels", "Container labels", "json" } },
	{ name = "pod", { "PodName", "pod", "Pod", "text" }, { "PodNamespace", "pod.namespace", "Namespace of the pod", "text" },
		{ "PodUID", "pod.uid", "UID of the pod", "text" }, { "PodLabels", "pod.labels", "Labels of the pod", "json" },
		{ "PodAnnotations", "pod.annotations", "Annotations of the pod", "json" } },
	{ name = "user name", needs = "user", { "UserName", "user", "User", "optional" } },
	{ name = "ancestors", once = true, { "Ancestors", "ancestors", "Ancestors", "text" } },
	{ name = "peer", heading = "peer",
		{ "PeerPID", "peer.pid", "Process ID of the peer", "pid" }, { "PeerCmd", "peer.cmd", "Executable of the peer", "text" },
		{ "PeerArgs", "peer.args", "Arguments of the peer", "text" },
		{ "PeerName", "peer.name", "Name of the peer", "optional" },
		{ "PeerComm", "peer.comm", "Comm of the peer", "optional" } },
	{ name = "peer's user", { "PeerUserId", "peer.uid", "User ID of the peer", "number" },
		{ "PeerUserName", "peer.user", "User of the peer", "optional" } },
	{ name = "peer's container", { "PeerContainerName", "peer.container", "Container of the peer", "text" },
		{ "PeerContainerId", "peer.container.id", "Container ID of the peer", "text" } },
	{ name = "peer's image", once = true,
		{ "PeerContainerImage", "peer.container.image", "Container image of the peer", "text" },
		{ "PeerContainerLabels", "peer.container.labels", "Container labels of the peer", "json" } },
	{ name = "peer's pod", { "PeerPodName", "peer.pod", "Pod of the peer", "text" },
		{ "PeerPodNamespace", "peer.pod.namespace", "Namespace of the peer's pod", "text" } },
	{ name = "peer's labels", once = true, { "PeerPodLabels", "peer.pod.labels", "Labels of the peer's pod", "json" } },
	{ name = "peer's ancestors", once = true, { "PeerAncestors", "peer.ancestors", "Ancestors of the peer", "text" } },
	{ name = "effective",
		{ "EffectivePID", "effective.pid", "ID of the process that it acts for", "pid" },
		{ "EffectiveCmd", "effective.cmd", "Executable that it acts for", "text" },
		{ "EffectiveArgs", "effective.args", "Arguments that it acts for", "text" },
		{ "EffectiveName", "effective.name", "Name that it acts for", "optional" },
		{ "EffectiveComm", "effective.comm", "Comm that it acts for", "optional" } },
	{ name = "end", { "End", "end", "End that this is about", "text" } },
}

local UINT32_MAX = 4294967295
local PID_MAX = 2147483647
local COMM_MAX = 15 -- bytes
local SAME_AS = "^SameAs: (" .. ("[0-9a-f]"):rep(32) .. ")$"

local protofields = {}
local field = {} -- by what follows "ptcpdump."
local row_of = {} -- by key and alias: row, with its group

local function add_field(abbreviation, title, kind)
	local new = (kind == "pid" or kind == "number") and ProtoField.uint32 or ProtoField.string
	local f = new("ptcpdump." .. abbreviation, title)
	field[abbreviation] = f
	protofields[#protofields + 1] = f
end

add_field("proc", "Process") -- as ptcpdump prints it, curl.4001
add_field("src", "Sending process")
add_field("dst", "Receiving process")
add_field("parent", "Parent")
add_field("peer", "Peer")
for number, group in ipairs(GROUPS) do
	group.number = number
	for _, row in ipairs(group) do
		row.group = group
		row.key, row.field, row.kind = row[1], row[2], row[4]
		row_of[row.key] = row
		if row.alias then
			row_of[row.alias] = row
		end
		add_field(row.field, row[3], row.kind)
	end
end
ptcpdump.fields = protofields

-- The row and value of a line that begins with a key.
local function key_of(line)
	local key, value = line:match("^(%a+): ?(.*)$")
	local row = key and row_of[key]
	if row then
		return row, value
	end
end

local function to_number(text, max)
	text = text:match("^(%d+)[ \r]*$")
	local number = text and #text <= 10 and tonumber(text)
	return number and number <= max and number or nil
end

-- The number, and "@host" when it is not one of the pid namespace that was captured in.
local function to_pid(text)
	local number = text:match("^(%d+)@host[ \r]*$")
	return to_number(number or text, PID_MAX), number and "@host" or ""
end

-- \n is a newline, and the backslashes ahead of an n are doubled; all others are themselves.
local function unescape(text)
	if not text:find("\\n", 1, true) then
		return text
	end
	return (text:gsub("(\\+)n", function(run)
		return ("\\"):rep(math.floor(#run / 2)) .. (#run % 2 == 1 and "\n" or "n")
	end))
end

-- The texts of a comment by row. What may be absent begins none, unless it stands alone: a note "Name: ..." is no process.
local function split_comment(comment)
	local stop = comment:find("\n", 1, true) or #comment + 1
	local row, value = key_of(comment:sub(1, stop - 1))
	if not row or (row.kind == "optional" and row ~= row.group[1]) then
		return nil
	end
	local group, texts, start = row.group, {}, stop - #value
	while stop < #comment do
		local at = stop + 1
		stop = comment:find("\n", at, true) or #comment + 1
		local other, more = key_of(comment:sub(at, stop - 1))
		if other and other.group == group and other ~= row and not texts[other] then
			texts[row] = comment:sub(start, at - 2)
			row, start = other, stop - #more
		end
	end
	texts[row] = comment:sub(start, stop - 1)
	return group, texts
end

-- Adds what a comment says to values, by field; returns its group.
local function parse_comment(comment, values, seen)
	local group, texts = split_comment(comment)
	if not group or seen[group] then
		return nil
	end
	seen[group] = true
	for row, text in pairs(texts) do
		if row.kind == "pid" then
			values[row.field], values[row.field .. "@"] = to_pid(text)
		elseif row.kind == "number" then
			values[row.field] = to_number(text, UINT32_MAX)
		elseif row.kind == "json" then
			values[row.field] = text
		else
			values[row.field] = unescape(text)
		end
	end
	return group
end

-- A process without its number is none, nor is a user of whom only the name is known.
local function is_told(group, values, told)
	if group.needs then
		return told[group.needs]
	end
	if group[1].kind == "pid" or group[1].kind == "number" then
		return values[group[1].field] ~= nil
	end
	for _, row in ipairs(group) do
		if row.kind ~= "optional" and values[row.field] then
			return true
		end
	end
	return false
end

-- Kernel threads have a name only, with slashes of its own, and no arguments.
local function program_of(cmd, args)
	if not cmd:find("^[/.]") and args == "" then
		return cmd
	end
	cmd = cmd:gsub(" %(deleted%)$", "")
	return cmd:match("([^/]+)$") or cmd
end

local function cut_comm(name)
	if #name <= COMM_MAX then
		return name
	end
	-- Not in the midst of a character.
	local last = COMM_MAX
	while last > 0 and name:byte(last + 1) >= 0x80 and name:byte(last + 1) < 0xc0 do
		last = last - 1
	end
	return name:sub(1, last)
end

-- Completes name and comm of a process (prefix "", "parent." or "peer."); returns it as "name.pid".
local function process_name(values, prefix)
	local pid = values[prefix .. "pid"]
	if not pid then
		return nil
	end
	local name = values[prefix .. "name"]
	if not name or name == "" then
		name = program_of(values[prefix .. "cmd"] or "", values[prefix .. "args"] or "")
		values[prefix .. "name"] = name
	end
	local comm = values[prefix .. "comm"]
	if not comm or comm == "" then
		values[prefix .. "comm"] = cut_comm(name)
	end
	return ("%s.%.0f%s"):format(name, pid, values[prefix .. "pid@"])
end

-- --- SHA-256, for the references of --compact-comments ---------------------------------------------------------------

local bits = bit or bit32
local band, bxor, bnot, rshift, ror, tobit
if bits then
	band, bxor, bnot, rshift = bits.band, bits.bxor, bits.bnot, bits.rshift
	ror, tobit = bits.ror or bits.rrotate, bits.tobit or bits.band
end

-- The first 32 bits behind the point of the roots of the first primes: cube roots for the rounds, square roots to begin.
local function root_bits(prime, power)
	return math.floor((prime ^ power % 1) * 2 ^ 32)
end

local ROUND, BEGIN = {}, {}
do
	local n = 2
	while #ROUND < 64 do
		local prime = true
		for d = 2, math.floor(n ^ 0.5) do
			prime = prime and n % d ~= 0
		end
		if prime then
			ROUND[#ROUND + 1] = root_bits(n, 1 / 3)
			if #BEGIN < 8 then
				BEGIN[#BEGIN + 1] = root_bits(n, 1 / 2)
			end
		end
		n = n + 1
	end
end

local function sha256_block(h, text, at, w)
	for i = 1, 16 do
		local a, b, c, d = text:byte(at, at + 3)
		w[i] = a * 16777216 + b * 65536 + c * 256 + d
		at = at + 4
	end
	for i = 17, 64 do
		local x, y = w[i - 15], w[i - 2]
		w[i] = tobit(w[i - 16] + w[i - 7] + bxor(ror(x, 7), ror(x, 18), rshift(x, 3)) +
			bxor(ror(y, 17), ror(y, 19), rshift(y, 10)))
	end
	local a, b, c, d, e, f, g, k = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
	for i = 1, 64 do
		local t = k + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + ROUND[i] + w[i]
		local u = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
		k, g, f, e, d, c, b, a = g, f, e, tobit(d + t), c, b, a, tobit(t + u)
	end
	for i, x in ipairs({ a, b, c, d, e, f, g, k }) do
		h[i] = tobit(h[i] + x)
	end
end

-- The first 128 bits, in hexadecimal digits.
local function sha256_128(text)
	local h, w = {}, {}
	for i = 1, 8 do
		h[i] = tobit(BEGIN[i])
	end
	local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. "\0\0\0\0" ..
		string.char(math.floor(#text / 2097152) % 256, math.floor(#text / 8192) % 256, math.floor(#text / 32) % 256,
			#text * 8 % 256)
	for at = 1, #padded, 64 do
		sha256_block(h, padded, at, w)
	end
	local digits = {}
	for i = 1, 4 do
		digits[i] = ("%04x%04x"):format(band(rshift(h[i], 16), 0xffff), band(h[i], 0xffff))
	end
	return table.concat(digits)
end

-- --- what has been read ----------------------------------------------------------------------------------------------

-- By the text of a packet's comments, what it says; twice as much as writers of references rely on, in two generations.
local GENERATION_RECORDS = 8192
local GENERATION_BYTES = 16777216
local young, old

local REFERRED_MAX = 65536

-- unhashed, by process: lists of what a reference may lead to; referred: what is hashed, by its reference; once: what is
-- told with the first packet only, by all else that this tells.
local function generation()
	return { records = {}, unhashed = {}, referred = {}, once = {}, count = 0, bytes = 0 }
end

local function forget()
	young, old = generation(), generation()
end
forget()

local function remember(text, record)
	if young.count >= GENERATION_RECORDS or young.bytes >= GENERATION_BYTES then
		young, old = generation(), young
	end
	young.records[text] = record
	young.count = young.count + 1
	young.bytes = young.bytes + #text
	if record.process and not record.refers_to and #record.hashed <= REFERRED_MAX then
		young.unhashed[record.process] = { record = record, next = young.unhashed[record.process] }
	end
	if record.has_once then
		young.once[record.always] = record
	end
end

-- Hashes only what is of the same process as a reference, and only then: most files have none.
local function referred_in(gen, record)
	local candidate = gen.unhashed[record.process]
	gen.unhashed[record.process] = nil
	while candidate do
		local full = candidate.record
		full.reference = full.reference or sha256_128(full.hashed)
		gen.referred[full.reference] = full
		candidate = candidate.next
	end
	local full = gen.referred[record.refers_to]
	return full and full.process == record.process and full or nil
end

local function referred(record)
	return bits and (referred_in(young, record) or referred_in(old, record))
end

-- --- a packet's comments ---------------------------------------------------------------------------------------------

-- From 4.4 on a comment of several lines comes as its first line, each line (30 at most, then an empty one for the
-- rest), and whole. Returns at which index the one before begins.
local LINES_MAX = 30
local function skip_lines(infos, i, whole)
	local _, lines = whole:gsub("\n", "")
	if whole:sub(-1) ~= "\n" then
		lines = lines + 1
	end
	local first = i - 1 - (lines > LINES_MAX and LINES_MAX + 1 or lines)
	local head = whole:match("^[^\n]*")
	if first >= 1 and infos[first].value == head and infos[first + 1].value == head then
		return first - 1
	end
	return i - 1
end

-- All comments, whole, the last one first; and what tells them from others (no comment holds a NUL).
local function whole_comments(infos)
	local texts, i = {}, #infos
	while i >= 1 do
		local text = infos[i].value
		texts[#texts + 1] = text
		i = text:find("\n", 1, true) and skip_lines(infos, i, text) or i - 1
	end
	return texts
end

local function as_hashed(text)
	return string.char(#text % 256, math.floor(#text / 256) % 256) .. text
end

-- What is shown of values, in the order of GROUPS: { field, value, field below which it stands }.
local function items_of(values, told)
	local items = {}
	for _, group in ipairs(GROUPS) do
		local below = nil
		if told[group.name] and group.heading then
			below = field[group.heading]
			items[#items + 1] = { below, values[group.heading] }
		end
		for _, row in ipairs(group) do
			local value = values[row.field]
			if told[group.name] and value then
				items[#items + 1] = { field[row.field], value, below }
				below = below or (#group > 2 and field[row.field]) or nil
			end
		end
	end
	return items
end

-- What comments say, the last one first.
local function read_comments(texts)
	local values, seen, told, always, hashed = {}, {}, {}, {}, {}
	local refers_to, has_once
	for i = #texts, 1, -1 do
		local text = texts[i]
		local group = parse_comment(text, values, seen)
		refers_to = refers_to or text:match(SAME_AS)
		if group and group.once then
			has_once = true
		elseif group then
			always[#always + 1] = text
			hashed[#hashed + 1] = as_hashed(text)
		end
	end
	for _, group in ipairs(GROUPS) do
		told[group.name] = seen[group] and is_told(group, values, told) or nil
	end
	if not next(told) then
		return { items = {} }
	end
	values.proc = told.process and process_name(values, "")
	values.parent = told.parent and process_name(values, "parent.")
	values.peer = told.peer and process_name(values, "peer.")
	return {
		proc = values.proc,
		peer = values.peer,
		source = told["end"] and values["end"],
		items = items_of(values, told),
		process = values.proc and table.concat({ values.proc, values.cmd or "", values.comm or "" }, "\0"),
		refers_to = values.proc and refers_to,
		always = table.concat(always, "\0"),
		hashed = table.concat(hashed),
		has_once = has_once,
	}
end

local function record_of(texts)
	local key = table.concat(texts, "\0")
	local record = young.records[key]
	if not record then
		record = old.records[key] or read_comments(texts)
		remember(key, record)
	end
	if record.refers_to then
		record.leads_to = record.leads_to or referred(record)
		record = record.leads_to or record
	end
	if record.always and not record.has_once then
		record.full = record.full or young.once[record.always] or old.once[record.always]
	end
	return record.full or record
end

-- --- the tree --------------------------------------------------------------------------------------------------------

local P2P_RECEIVED = 1

-- Adds what somebody looks at: a column, a filter, or all of it in the packet's details.
local function put(tree, f, value)
	if tree:referenced(f) then
		return tree:add(f, value):set_generated()
	end
end

function ptcpdump.dissector(_, pinfo, root)
	local infos = { comments_of() }
	if #infos == 0 then
		return
	end
	local record = record_of(whole_comments(infos))
	if #record.items == 0 then
		return
	end
	local tree = root:add(ptcpdump):set_generated()
	local sends = pinfo.p2p_dir ~= P2P_RECEIVED
	if record.source then
		sends = record.source == "src"
	end
	local source, destination = record.proc, record.peer
	if not sends then
		source, destination = destination, source
	end
	if record.proc then
		tree:append_text(", " .. record.proc:gsub("%c", "?"))
	end
	if source then
		put(tree, field.src, source)
	end
	if destination then
		put(tree, field.dst, destination)
	end
	local heads = {}
	for _, item in ipairs(record.items) do
		local f, value, head = item[1], item[2], item[3]
		heads[f] = put(head and heads[head] or tree, f, value)
	end
end

ptcpdump.init = forget
register_postdissector(ptcpdump)

-- --- Tools > ptcpdump > Traffic by process ---------------------------------------------------------------------------

local function count(totals, name, direction, bytes)
	local total = totals[name]
	if not total then
		total = { name = name, sent = 0, received = 0, bytes_sent = 0, bytes_received = 0 }
		totals[name] = total
		totals[#totals + 1] = total
	end
	total[direction] = total[direction] + 1
	total["bytes_" .. direction] = total["bytes_" .. direction] + bytes
end

-- Busiest first.
local function table_text(title, totals)
	local lines = { ("%14s %10s %14s %10s  %s\n"):format("bytes sent", "packets", "received", "packets", title) }
	table.sort(totals, function(a, b)
		local x, y = a.bytes_sent + a.bytes_received, b.bytes_sent + b.bytes_received
		return x > y or (x == y and a.name < b.name)
	end)
	for _, t in ipairs(totals) do
		lines[#lines + 1] = ("%14.0f %10.0f %14.0f %10.0f  %s\n"):format(t.bytes_sent, t.sent, t.bytes_received,
			t.received, (t.name:gsub("%c", "?")))
	end
	return table.concat(lines)
end

if gui_enabled() then
	local src, dst, proc = Field.new("ptcpdump.src"), Field.new("ptcpdump.dst"), Field.new("ptcpdump.proc")
	local own, others = Field.new("ptcpdump.container"), Field.new("ptcpdump.peer.container")

	local function text_of(getter)
		local info = getter()
		return info and info.value
	end

	local function traffic()
		local processes, containers
		local window = TextWindow.new("Traffic by process")
		local tap = Listener.new("frame", "ptcpdump")
		local function reset()
			processes, containers = {}, {}
		end
		reset()
		function tap.packet(pinfo)
			local from, to = text_of(src), text_of(dst)
			local own_sends = from and from == text_of(proc)
			local sender, receiver = text_of(own), text_of(others)
			if not own_sends then
				sender, receiver = receiver, sender
			end
			if from then count(processes, from, "sent", pinfo.len) end
			if to then count(processes, to, "received", pinfo.len) end
			if sender then count(containers, sender, "sent", pinfo.len) end
			if receiver then count(containers, receiver, "received", pinfo.len) end
		end
		function tap.draw()
			window:set(table_text("process", processes))
			if #containers > 0 then
				window:append("\n" .. table_text("container", containers))
			end
		end
		tap.reset = reset
		window:set_atclose(function() tap:remove() end)
		retap_packets()
	end

	register_menu("ptcpdump/Traffic by process", traffic, MENU_TOOLS_UNSORTED)
end
