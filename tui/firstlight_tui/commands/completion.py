"""`firstlight --completion SHELL`: a script that completes verbs, options, their values, and folders.

The script holds everything that it offers, so a Tab starts no Python.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from firstlight_core.errors import UsageError
from firstlight_core.shells import quoted
from firstlight_core.text import one_line
from firstlight_tui.commands.syntax import ValueKind, VerbSyntax


def completion_script(shell: str, verbs: Sequence[VerbSyntax]) -> str:
    """Return the completion script of a shell.

    Raises:
        UsageError: there is none for it.
    """
    write = _WRITERS.get(shell)
    if write is None:
        raise UsageError(
            f"There is no completion for {one_line(shell, 40)!r}.",
            hint=f"Choose one of: {', '.join(_WRITERS)}.",
        )
    return write(verbs)


def _words(words: Iterable[str]) -> str:
    return " ".join(words)


def _names(verb: VerbSyntax) -> list[str]:
    return [name for option in verb.options for name in option.names]


@dataclass(frozen=True, slots=True)
class _Shell:
    """The parts in which the scripts of bash and zsh differ."""

    reply: Callable[[Sequence[str], ValueKind], str]
    """The command that offers words and paths."""
    options: Callable[[VerbSyntax], str]
    """The command that offers the options of a verb."""
    verbs: Callable[[Sequence[VerbSyntax]], str]
    """The command that offers the verbs, and folders."""


def _cases(verbs: Sequence[VerbSyntax], shell: _Shell) -> Iterable[str]:
    """Yield the branches of `case "$verb"`: values after an option, then options or arguments."""
    root, *others = verbs
    for verb in [*others, root]:
        yield f"    {verb.name or chr(34) * 2})"
        yield '        case "$prev" in'
        for option in verb.options:
            if option.kind != "nothing":
                reply = shell.reply(option.values, option.kind)
                yield f"            {'|'.join(option.names)}) {reply}; return ;;"
        yield "        esac"
        yield '        case "$cur" in'
        yield f"            -*) {shell.options(verb)} ;;"
        reply = shell.reply(verb.words, verb.kind) if verb.name else shell.verbs(others)
        yield f"            *) {reply} ;;"
        yield "        esac ;;"


_BASH_PATHS: Mapping[ValueKind, str] = {"folder": "-d", "file": "-f"}


def _bash_reply(words: Sequence[str], kind: ValueKind) -> str:
    parts = [f'COMPREPLY=( $(compgen -W "{_words(words)}" -- "$cur") )'] if words else []
    if kind in _BASH_PATHS:
        parts.append(f"_firstlight_paths {_BASH_PATHS[kind]}")
    return "; ".join(parts or [":"])


def _bash(verbs: Sequence[VerbSyntax]) -> str:
    lines = [
        "# Bash completion of firstlight. To keep it:",
        "#   firstlight --completion bash > ~/.local/share/bash-completion/completions/firstlight",
        "_firstlight_paths() {",
        '    local IFS=$\'\\n\'; COMPREPLY+=( $(compgen "$1" -- "$cur") )',
        "    compopt -o filenames 2>/dev/null",
        "}",
        "_firstlight() {",
        '    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" verb="" word',
        "    # Bash parts --option=value in three.",
        '    if [ "$cur" = "=" ]; then cur=""; '
        'elif [ "$prev" = "=" ]; then prev="${COMP_WORDS[COMP_CWORD-2]}"; fi',
        "    COMPREPLY=()",
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$word" in -*) ;; *) verb="$word"; break ;; esac',
        "    done",
        '    case "$verb" in',
    ]
    shell = _Shell(
        reply=_bash_reply,
        options=lambda verb: f'COMPREPLY=( $(compgen -W "{_words(_names(verb))}" -- "$cur") )',
        verbs=lambda others: _bash_reply([other.name for other in others], "folder"),
    )
    lines += _cases(verbs, shell)
    return "\n".join([*lines, "    esac", "}", "complete -F _firstlight firstlight", ""])


_ZSH_PATHS: Mapping[ValueKind, str] = {"folder": "_files -/", "file": "_files"}


def _zsh_reply(words: Sequence[str], kind: ValueKind) -> str:
    parts = [f"compadd -- {_words(words)}"] if words else []
    if kind in _ZSH_PATHS:
        parts.append(_ZSH_PATHS[kind])
    return "; ".join(parts or [":"])


def _zsh_described(pairs: Iterable[tuple[str, str]], what: str) -> str:
    entries = (
        quoted(f"{name.replace(':', chr(92) + ':')}:{about}", "posix") for name, about in pairs
    )
    return f"shown=({_words(entries)}); _describe {what} shown"


def _zsh(verbs: Sequence[VerbSyntax]) -> str:
    lines = [
        "#compdef firstlight",
        "# Zsh completion of firstlight. To keep it, in a folder of $fpath:",
        "#   firstlight --completion zsh > ~/.zfunc/_firstlight",
        "_firstlight() {",
        '    local cur="${words[CURRENT]}" prev="${words[CURRENT-1]}" verb="" word',
        "    local -a shown",
        '    for word in "${(@)words[2,CURRENT-1]}"; do',
        '        case "$word" in -*) ;; *) verb="$word"; break ;; esac',
        "    done",
        '    case "$verb" in',
    ]
    shell = _Shell(
        reply=_zsh_reply,
        options=lambda verb: _zsh_described(
            ((name, o.help) for o in verb.options for name in o.names), "option"
        ),
        verbs=lambda others: (
            _zsh_described(((o.name, o.help) for o in others), "verb") + "; _files -/"
        ),
    )
    lines += _cases(verbs, shell)
    end = [
        "    esac",
        "}",
        # Loaded from $fpath it is the function's body; sourced it must be registered.
        'if [ "$funcstack[1]" = "_firstlight" ]; then _firstlight "$@"; '
        "else compdef _firstlight firstlight; fi",
    ]
    return "\n".join([*lines, *end, ""])


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_FISH_PATHS: Mapping[ValueKind, str] = {
    "folder": " -x -a '(__fish_complete_directories)'",
    "file": " -r -F",
    "text": " -x",
}


def _fish(verbs: Sequence[VerbSyntax]) -> str:
    _, *others = verbs
    lines = [
        "# Fish completion of firstlight. To keep it:",
        "#   firstlight --completion fish > ~/.config/fish/completions/firstlight.fish",
        "complete -c firstlight -f",
    ]
    for verb in verbs:
        seen = f"__fish_seen_subcommand_from {verb.name}" if verb.name else "__fish_use_subcommand"
        here = f"complete -c firstlight -n {_fish_quoted(seen)}"
        if not verb.name:
            for other in others:
                lines.append(f"{here} -a {other.name} -d {_fish_quoted(other.help)}")
        if verb.words:
            lines.append(f"{here} -a {_fish_quoted(_words(verb.words))}")
        if verb.kind == "folder" or not verb.name:
            lines.append(f"{here} -a '(__fish_complete_directories)'")
        elif verb.kind == "file":
            lines.append(f"{here} -F")
        for option in verb.options:
            names = _words(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in option.names
            )
            paths = _FISH_PATHS.get(option.kind, "")
            if option.values:
                paths = f" -x -a {_fish_quoted(_words(option.values))}"
            lines.append(f"{here} {names}{paths} -d {_fish_quoted(option.help)}")
    return "\n".join([*lines, ""])


def _powershell_list(words: Iterable[str]) -> str:
    return "@(" + ", ".join("'" + word.replace("'", "''") + "'" for word in words) + ")"


def _powershell(verbs: Sequence[VerbSyntax]) -> str:
    _, *others = verbs
    lines = [
        "# PowerShell completion of firstlight. To keep it, in $PROFILE:",
        "#   firstlight --completion powershell | Out-String | Invoke-Expression",
        "Register-ArgumentCompleter -Native -CommandName firstlight -ScriptBlock {",
        "    param($wordToComplete, $commandAst, $cursorPosition)",
        '    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })',
        "    if ($wordToComplete -and $words.Count) "
        "{ $words = @($words | Select-Object -First ($words.Count - 1)) }",
        "    $verb = @($words | Where-Object { -not $_.StartsWith('-') })[0]",
        "    $previous = if ($words.Count) { $words[-1] } else { '' }",
        "    $options = @{",
        *(f"        '{verb.name}' = {_powershell_list(_names(verb))}" for verb in verbs),
        "    }",
        "    $values = @{",
        *(
            f"        '{verb.name} {name}' = {_powershell_list(option.values)}"
            for verb in others
            for option in verb.options
            if option.values
            for name in option.names
        ),
        "    }",
        f"    $verbs = {_powershell_list(verb.name for verb in others)}",
        '    $known = $values["$verb $previous"]',
        "    # Nothing offered here lets PowerShell complete files and folders.",
        "    $offered = if ($known) { $known }"
        " elseif ($wordToComplete.StartsWith('-')) { $options[\"$verb\"] }"
        " elseif (-not $verb) { $verbs } else { @() }",
        '    $offered | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {',
        "        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)",
        "    }",
        "}",
        "",
    ]
    return "\n".join(lines)


_WRITERS: dict[str, Callable[[Sequence[VerbSyntax]], str]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
    "powershell": _powershell,
}
