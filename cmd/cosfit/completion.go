package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands and flags in a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: "Examples:\n" +
			"  source <(cosfit completion bash)       # in ~/.bashrc\n" +
			"  source <(cosfit completion zsh)        # in ~/.zshrc\n" +
			"  cosfit completion fish > ~/.config/fish/completions/cosfit.fish",
		Action: func(c *cli.Context) error {
			script, err := completionScript(c.App, c.Args().First())
			if err != nil {
				return err
			}
			fmt.Fprint(c.App.Writer, script)
			return nil
		},
	}
}

func completionScript(app *cli.App, shell string) (string, error) {
	switch shell {
	case "bash":
		return bashCompletion, nil
	case "zsh":
		return zshCompletion, nil
	case "fish":
		return app.ToFishCompletion()
	}
	return "", usage("completion needs the name of a shell, bash, zsh or fish, got %q", shell)
}

// The scripts ask the program itself what can follow, which the cli package
// answers.
const bashCompletion = `_cosfit() {
  local current="${COMP_WORDS[COMP_CWORD]}" words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  [[ "$current" == -* ]] && words+=("$current")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$current"))
}
complete -o bashdefault -o default -F _cosfit cosfit
`

const zshCompletion = `#compdef cosfit
_cosfit() {
  local current="${words[CURRENT]}"
  local -a request=("${(@)words[1,CURRENT-1]}")
  [[ "$current" == -* ]] && request+=("$current")
  local -a answers=("${(@f)$("${request[@]}" --generate-bash-completion 2>/dev/null)}")
  compadd -- "${(@)answers%%:*}"
  _files
}
compdef _cosfit cosfit
`
