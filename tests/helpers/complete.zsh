# SPDX-License-Identifier: BSD-3-Clause
# complete.zsh SCRIPT: types each line of stdin into an interactive zsh, presses Tab, and prints what stands there then.
zmodload zsh/zpty
zpty -b shell "TERM=dumb SCRIPT=${(q)1} zsh -f -i"
zpty -w shell 'PS1=; unsetopt zle_bracketed_paste prompt_cr prompt_sp; autoload -Uz compinit; compinit -u -D
_ptcpdump() { source $SCRIPT; }; compdef _ptcpdump ptcpdump
show() { print -r -- "LINE<$BUFFER>"; BUFFER=; }; zle -N show; bindkey "^Xs" show; echo REA""DY'
zpty -r -m shell line '*READY*'
while read -r words; do
	zpty -n -w shell "$words"$'\t\C-xs'
	zpty -r -m shell line '*LINE<*>*'
	line=${${line##*LINE<}%%>*}
	# What zsh would take away again.
	print -r -- "${line%%[ =,]}"
done
zpty -d shell
