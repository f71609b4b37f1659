package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asProgram is the environment variable that makes the test binary the program,
// for the shells to call.
const asProgram = "COSFIT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// completionCases are command lines that end at the cursor, and what can stand
// there. Nothing stands for file names.
func completionCases() []completionCase {
	commands := "apply bench cache completion data demo doctor embed eval export fit help mine prepare sweep train version"
	exportFlags := "--config --dims --force --format --help --json --out --run"
	return []completionCase{
		{"cosfit ", commands},
		{"cosfit e", "embed eval export"},
		{"cosfit cache ", "compact export import stats verify"},
		{"cosfit embed --provider ", sorted(providers())},
		{"cosfit prepare ", "nq pairs"},
		{"cosfit prepare pairs --format ", sorted(sources())},
		{"cosfit fit --format j", "json jsonl"},
		{"cosfit prepare pairs --uni", "--unit"},
		{"cosfit prepare pairs --unit ", "paragraph sentence"},
		{"cosfit train", "train"},
		{"cosfit help ", commands},
		{"cosfit help eval ", ""},
		{"cosfit nonsense ", ""},
		{"cosfit completion ", "bash fish zsh"},
		{"cosfit completion z", "zsh"},
		{"cosfit completion zsh ", ""},

		{"cosfit export ", exportFlags},
		{"cosfit export --", exportFlags},
		{"cosfit export -", exportFlags},
		{"cosfit export --fo", "--force --format"},
		{"cosfit export --format", "--format"},
		{"cosfit export --force ", "--config --dims --format --help --json --out --run"},
		{"cosfit export --run r --js", "--json"},
		{"cosfit export --unknown x --js", "--json"},
		{"cosfit version ", "--help --json"},
		{"cosfit bench ", "core load run step"},
		{"cosfit bench step ", "--config --device --help --json --out --precision --python --quick --threads"},
		{"cosfit bench step --quick --th", "--threads"},
		{"cosfit train --resume --ep", "--epochs"},
		{"cosfit eval --split", "--split --split-column"},

		{"cosfit eval --split ", "test train validation"},
		{"cosfit eval --split v", "validation"},
		{"cosfit eval -split v", "validation"},
		{"cosfit train --recipe ", sorted(recipes())},
		{"cosfit train --loss ", sorted(losses())},
		{"cosfit train --optimizer ", sorted(optimizers())},
		{"cosfit train --optimizer adam", "adam adamw"},
		{"cosfit train --schedule ", sorted(schedules())},
		{"cosfit train --shape ", sorted(shapes())},
		{"cosfit train --init ", sorted(starts())},
		{"cosfit export --format ", sorted(formats())},
		{"cosfit demo --device ", sorted(backends())},
		{"cosfit train --precision ", "bf16 fp32 tf32"},
		{"cosfit train --data d --loss mse --init i", "identity"},

		{"cosfit train --data ", ""},
		{"cosfit train --data tr", ""},
		{"cosfit export --out ", ""},
		{"cosfit train --epochs ", ""},
	}
}

type completionCase struct{ line, want string }

func sorted[T any](t table[T]) string { return strings.Join(t.names(), " ") }

func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	for _, shell := range shells() {
		if out := must(t, dir, "completion", shell); !strings.Contains(out, "--generate-bash-completion") {
			t.Errorf("%s: %q", shell, out)
		}
	}
	if out := must(t, dir, "eval", "--split", "--generate-bash-completion"); out != "train\nvalidation\ntest\n" {
		t.Errorf("eval --split completes to %q", out)
	}
}

func TestCompletionBash(t *testing.T) {
	const script = `
		eval "$(cosfit completion bash)"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_cosfit
		printf '%s\n' "${COMPREPLY[@]}"`
	cases := append(completionCases(),
		completionCase{"cosfit eval --split =", "test train validation"}, // --split= as bash divides it
		completionCase{"cosfit eval --split = v", "validation"},
		completionCase{"cosfit eval --data = v", ""},
	)
	testCompletion(t, cases, "bash", "--noprofile", "--norc", "-c", script, "bash")
}

// TestCompletionZsh has stand-ins for what zsh has only while a line is edited.
func TestCompletionZsh(t *testing.T) {
	const script = `
		compdef() { }
		compset() {
			[[ $PREFIX == ${~2}* ]] || return 1
			IPREFIX=${PREFIX%%=*}= PREFIX=${PREFIX#*=}
		}
		compadd() { print -l -- ${(M)answers:#${(b)PREFIX}*} }
		_files() { }
		eval "$(cosfit completion zsh)"
		words=("$@") CURRENT=$# PREFIX=$words[-1]
		_cosfit`
	cases := append(completionCases(),
		completionCase{"cosfit eval --split=", "test train validation"},
		completionCase{"cosfit eval --split=v", "validation"},
		completionCase{"cosfit eval --data=v", ""},
	)
	testCompletion(t, cases, "zsh", "-f", "-c", script, "zsh")
}

func TestCompletionFish(t *testing.T) {
	const script = `
		cosfit completion fish | source
		complete -C (string join ' ' -- $argv)`
	cases := append(completionCases(),
		completionCase{"cosfit eval --split=", "--split=test --split=train --split=validation"},
		completionCase{"cosfit eval --split=v", "--split=validation"},
		completionCase{"cosfit eval --data=v", ""},
	)
	testCompletion(t, cases, "fish", "--no-config", "-c", script)
}

// testCompletion hands the words of each line to a shell's script, which prints
// what it completes to, a line each, in a folder without files.
func testCompletion(t *testing.T, cases []completionCase, shell string, options ...string) {
	if _, err := exec.LookPath(shell); err != nil {
		t.Skipf("%s is not installed", shell)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, empty := t.TempDir(), t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "cosfit")); err != nil {
		t.Skip(err)
	}
	t.Setenv("LC_ALL", "C")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each answer takes a second under -race
	t.Setenv(asProgram, "1")
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, test := range cases {
		t.Run(test.line, func(t *testing.T) {
			cmd := exec.Command(shell, append(options, strings.Split(test.line, " ")...)...)
			cmd.Dir = empty
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if stderr.Len() > 0 {
				t.Errorf("%v: %s", err, &stderr)
			}
			got := strings.Fields(string(out))
			slices.Sort(got)
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("completes to %q, want %q", got, test.want)
			}
		})
	}
}
