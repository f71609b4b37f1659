package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/trainer"
)

// probe runs a command line up to the named command's action, which is read.
func probe(command string, args []string, read func(*cli.Context)) error {
	app := newApp(io.Discard, io.Discard)
	for _, c := range app.Commands {
		if c.Name == command {
			c.Action = func(c *cli.Context) error { read(c); return nil }
		}
	}
	return app.RunContext(context.Background(), append([]string{"cosfit", command}, args...))
}

// configurable are the commands that the tests of a file's text know, so that new
// ones do not change what is nearest.
func configurable() []*cli.Command {
	commands := []*cli.Command{demoCommand(), trainCommand(), evalCommand(), exportCommand(), versionCommand()}
	addSettings(commands)
	return commands
}

func writeConfig(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "cosfit.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSettingsPrecedence sets one flag of each type in ever more places: the
// command's section counts more than the file's top level, the environment
// more than the file, and the flag most.
func TestSettingsPrecedence(t *testing.T) {
	for _, test := range []struct {
		flag                              string
		standard, top, section, env, line string
	}{
		{"epochs", "0", "11", "12", "13", "14"},
		{"learning-rate", "0", "0.5", "1e-3", "2e-4", "0.25"},
		{"seed", "0", "1", "2", "3", "18446744073709551615"},
		{"data", "", "top.parquet", "'010'", "env.parquet", "line.parquet"},
		{"recipe", "default", "top", "section", "env", "line"},
		{"threads", "0", "1", "2", "3", "4"},
		{"force", "false", "true", "false", "true", "false"},
	} {
		t.Run(test.flag, func(t *testing.T) {
			top := fmt.Sprintf("%s: %s\n", test.flag, test.top)
			file := writeConfig(t, top+"eval:\n  data: elsewhere\ntrain:\n  "+test.flag+": "+test.section+"\n")
			onlyTop := writeConfig(t, top)
			flag := "--" + test.flag + "=" + test.line
			for _, c := range []struct {
				where string
				env   string
				args  []string
				want  string
			}{
				{"nowhere", "", nil, test.standard},
				{"at the top", "", []string{"--config", onlyTop}, test.top},
				{"in the section", "", []string{"--config", file}, test.section},
				{"in the environment", test.env, []string{"--config", file}, test.env},
				{"on the command line", test.env, []string{"--config", file, flag}, test.line},
			} {
				t.Setenv(environmentName(test.flag), c.env)
				err := probe("train", c.args, func(ctx *cli.Context) {
					want := strings.Trim(c.want, "'")
					if x, err := strconv.ParseFloat(want, 64); err == nil && test.flag == "learning-rate" {
						want = fmt.Sprint(x)
					}
					if got := fmt.Sprint(ctx.Value(test.flag)); got != want {
						t.Errorf("set %s it is %s, want %s", c.where, got, want)
					}
					if got, want := ctx.IsSet(test.flag), c.where != "nowhere"; got != want {
						t.Errorf("set %s it counts as set: %v", c.where, got)
					}
				})
				if err != nil {
					t.Errorf("set %s: %v", c.where, err)
				}
			}
		})
	}
}

// TestConfigReachesRecipe sees what the file says in the recipe, and the
// recipe's own defaults where it says nothing.
func TestConfigReachesRecipe(t *testing.T) {
	file := writeConfig(t, "# a comment\nepochs: 7\nlearning-rate: 0.5\ndecay-to-start: false\nexport:\n  format: npy\ntrain: # nothing\n")
	err := probe("train", []string{"--config", file}, func(c *cli.Context) {
		r, err := editable(trainer.Default(4))
		if err != nil {
			t.Fatal(err)
		}
		patience := r.Patience
		if r, err = recipeFrom(c, r); err != nil {
			t.Fatal(err)
		}
		if r.Epochs != 7 || r.LearningRate != 0.5 || r.Optimizer.(*trainer.AdamW).ToStart || r.Patience != patience {
			t.Errorf("the recipe is %+v", r)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestEnvironmentConfig names the file itself, and leaves alone what a
// command does not know.
func TestEnvironmentConfig(t *testing.T) {
	t.Setenv("COSFIT_CONFIG", writeConfig(t, "out: here\nformat: npy\n"))
	t.Setenv("COSFIT_FORMAT", "")
	t.Setenv("COSFIT_FORCE", "1")
	err := probe("export", nil, func(c *cli.Context) {
		if c.String("out") != "here" || c.String("format") != "npy" || !c.Bool("force") {
			t.Errorf("out %q, format %q, force %v", c.String("out"), c.String("format"), c.Bool("force"))
		}
	})
	if err != nil {
		t.Error(err)
	}
	if err := probe("version", nil, func(*cli.Context) {}); err != nil {
		t.Error(err)
	}
}

func TestEnvironmentMistakes(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"COSFIT_EPOCHS", "many", `COSFIT_EPOCHS: "many" is not a whole number`},
		{"COSFIT_EPOCHS", "010", `COSFIT_EPOCHS: "010" counts in eights to some programs and in tens to others: write it without the leading 0`},
		{"COSFIT_SEED", "-1", `COSFIT_SEED: "-1" is not a whole number from 0 up`},
		{"COSFIT_DROPOUT", "0,5", `COSFIT_DROPOUT: "0,5" is not a number`},
		{"COSFIT_RESUME", "perhaps", `COSFIT_RESUME: "perhaps" is not true or false`},
		{"COSFIT_CONFIG", "nowhere.yaml", `--config names nowhere.yaml, which does not exist`},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Setenv(test.name, test.value)
			_, stdout, stderr := cosfit(t, context.Background(), t.TempDir(), "train")
			if want := "cosfit: " + test.want + "\n"; stderr != want || stdout != "" {
				t.Errorf("printed %q, %q, want %q", stdout, stderr, want)
			}
			must(t, t.TempDir(), "train", "--help")
		})
	}
	t.Setenv("COSFIT_EPOCHS", "many")
	if err := probe("train", []string{"--epochs", "3"}, func(*cli.Context) {}); err != nil {
		t.Errorf("a flag that is given does not ask its variable, but: %v", err)
	}
}

// TestEnvironmentNearMisses: a variable that sets nothing is named where it looks like a slip.
func TestEnvironmentNearMisses(t *testing.T) {
	for name, want := range map[string]string{
		"COSFIT_EPOCH": "cosfit: COSFIT_EPOCH sets nothing, the nearest that does is COSFIT_EPOCHS\n",
		"COSFIT_CPUS":  "cosfit: COSFIT_CPUS sets nothing, the nearest that does is COSFIT_CPU\n",
		"COSFIT_CPU":   "", "COSFIT_WHATEVER": "", "COSFIT_TEST_FILL": "", "COSFIT_QUERY_PREFIX": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "generic")
			if code, _, stderr := cosfit(t, context.Background(), t.TempDir(), "version"); code != 0 || stderr != want {
				t.Errorf("exit code %d, printed %q, want %q", code, stderr, want)
			}
		})
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		// Keys.
		{"learning_rate: 0.1", `learning_rate: line 1: no such setting, the nearest is learning-rate`},
		{"epochs: 3\n\n--epoch: 4", `--epoch: line 3: no such setting, the nearest is epochs`},
		{"trian:\n  epochs: 3", `trian: line 1: no such setting, the nearest is train`},
		{"train:\n  epoch: 3", `train.epoch: line 2: no such setting, the nearest is epochs`},
		{"export:\n  epochs: 3", `export.epochs: line 2: export has no such setting, it is one of train`},
		{"train:\n  eval:\n    data: x", `train.eval: line 2: no such setting, the nearest is scale`},
		{"config: other.yaml", `config: line 1: no such setting, the nearest is init`},
		{"train:\n  help: true", `train.help: line 2: no such setting, the nearest is fold`},
		{"doctor:\n  json: true", `doctor: line 1: no such setting, the nearest is data`},
		{"'': 3", `: line 1: no such setting, the nearest is out`},
		{"<<: {epochs: 3}", `<<: line 1: no such setting, the nearest is out`},
		{"? [epochs]\n: 3", `line 1: a key is the name of a flag, without the dashes`},
		{"epochs: 3\nseed: 1\nepochs: 4", `epochs: line 3: is set twice, first in line 1`},
		{"train:\n  epochs: 3\ntrain:\n  seed: 4", `train: line 3: is set twice, first in line 1`},
		{"train: 3", `train: line 1: want the settings of train below it, each on an indented line`},
		// The document.
		{"- epochs: 3", `line 1: want settings, a line each, such as epochs: 20`},
		{"epochs", `line 1: want settings, a line each, such as epochs: 20`},
		{"epochs: 3\n---\nseed: 4", `line 2: a second document begins here: settings are one document, without --- inside`},
		{"epochs: [1\n", `line 2: not YAML: did not find expected ',' or ']'`},
		{"group-column: -\n", `line 1: not YAML: block sequence entries are not allowed in this context: a value that is only a dash is written "-"`},
		{"epochs: 3\x00", `not YAML: control characters are not allowed (value: 0)`},
		// Whole numbers.
		{"seed: 1\ntrain:\n  epochs: many", `train.epochs: line 3: "many" is not a whole number`},
		{"epochs: 1.5", `epochs: line 1: 1.5 is not a whole number`},
		{"epochs: 1e3", `epochs: line 1: 1e3 is not a whole number`},
		{"epochs: 0x10", `epochs: line 1: 0x10 is not a whole number`},
		{"epochs: 1_000", `epochs: line 1: 1_000 is not a whole number`},
		{"epochs: 010", `epochs: line 1: 010 counts in eights to some programs and in tens to others: write it without the leading 0`},
		{"epochs: \"30\"", `epochs: line 1: "30" is a text because of its quotes, want a whole number: write it without them`},
		{"epochs: \"many\"", `epochs: line 1: "many" is not a whole number`},
		{"epochs: 99999999999999999999", `epochs: line 1: 99999999999999999999 is too large for a whole number`},
		{"epochs:", `epochs: line 1: has no value, want a whole number: write one, or remove the line`},
		{"epochs: ~", `epochs: line 1: has no value, want a whole number: write one, or remove the line`},
		{"epochs: [3]", `epochs: line 1: a list is not a whole number`},
		{"epochs: {a: 3}", `epochs: line 1: a section is not a whole number`},
		{"epochs: &e 3\ndims: *e", `dims: line 2: *e refers to another value: write a whole number itself`},
		{"epochs: !!int 3", `epochs: line 1: tags such as !!int are not understood: write a whole number without one`},
		{"epochs: !x 3", `epochs: line 1: tags such as !x are not understood: write a whole number without one`},
		// Lists.
		{"matryoshka: wide", `matryoshka: line 1: "wide" is not a list of whole numbers such as 64,128`},
		{"matryoshka: [64, wide]", `matryoshka: line 1: "wide" is not a whole number`},
		{"matryoshka: [64, [128]]", `matryoshka: line 1: a list in a list is not a list of whole numbers such as 64,128`},
		{"matryoshka: [64, 010]", `matryoshka: line 1: 010 counts in eights to some programs and in tens to others: write it without the leading 0`},
		{"matryoshka: 64,010", `matryoshka: line 1: 010 counts in eights to some programs and in tens to others: write it without the leading 0`},
		{"matryoshka: []", `matryoshka: line 1: a list is not a list of whole numbers such as 64,128`},
		{"seed: -1", `seed: line 1: -1 is not a whole number from 0 up`},
		// Numbers.
		{"dropout: low", `dropout: line 1: "low" is not a number`},
		{"dropout: 0,5", `dropout: line 1: "0,5" is not a number`},
		{"dropout: .nan", `dropout: line 1: .nan is not a number`},
		{"dropout: 1e999", `dropout: line 1: "1e999" is too large for a number`},
		{"dropout: 00.5", `dropout: line 1: 00.5 counts in eights to some programs and in tens to others: write it without the leading 0`},
		// Texts.
		{"left-column: 2024", `left-column: line 1: 2024 is a number, want a text: write it in quotes, "2024"`},
		{"left-column: 1e-3", `left-column: line 1: 1e-3 is a number, want a text: write it in quotes, "1e-3"`},
		{"left-column: 2024-01-01", `left-column: line 1: 2024-01-01 is a date, want a text: write it in quotes, "2024-01-01"`},
		{"left-column: true", `left-column: line 1: true is true or false, want a text: write it in quotes, "true"`},
		{"left-column: No", `left-column: line 1: No is false to some programs, want a text: write it in quotes, "No"`},
		{"left-column: null", `left-column: line 1: has no value, want a text: write one, or remove the line`},
		// True and false.
		{"force: yes", `force: line 1: yes is true to some programs and a text to others: write true`},
		{"force: OFF", `force: line 1: OFF is false to some programs and a text to others: write false`},
		{"force: 1", `force: line 1: 1 is not true or false`},
		{"force: maybe", `force: line 1: "maybe" is not true or false`},
		{"force: \"true\"", `force: line 1: "true" is a text because of its quotes, want true or false: write it without them`},
	} {
		t.Run(test.text, func(t *testing.T) {
			_, err := parseConfig([]byte(test.text), configurable())
			if err == nil || err.Error() != test.want {
				t.Errorf("says\n%v, want\n%s", err, test.want)
			}
		})
	}
}

func TestConfigRight(t *testing.T) {
	sweeps := []*cli.Command{sweepCommand()}
	addSettings(sweeps)
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"# nothing\n", ""},
		{"---\n", ""},
		{"{}", ""},
		{"train:\n", ""},
		{"\ufeffepochs: 3", ".epochs=3 line 1"},
		{"epochs: 3\r\nseed: 4\r\n", ".epochs=3 line 1, .seed=4 line 2"},
		{"train: {epochs: 3, json: True}", "train.epochs=3 line 1, train.json=true line 1"},
		{"group-column: \"-\"", ".group-column=- line 1"},
		{"left-column: '2024'", ".left-column=2024 line 1"},
		{"label-range: 0..5", ".label-range=0..5 line 1"},
		{"learning-rate: 1e-3", ".learning-rate=1e-3 line 1"},
		{"dropout: .5", ".dropout=.5 line 1"},
		{"dropout: 0", ".dropout=0 line 1"},
		{"matryoshka: [64, 128]", ".matryoshka=64,128 line 1"},
		{"matryoshka: 64,128", ".matryoshka=64,128 line 1"},
		{"matryoshka: 64", ".matryoshka=64 line 1"},
		{"matryoshka:\n  - 64\n  - 128", ".matryoshka=64,128 line 1"},
		{"sweep:\n  loss: [mse, cosent]\n  dims: [64, 128]", "sweep.loss=mse,cosent line 2, sweep.dims=64,128 line 3"},
		{"epochs: 3\nepochs2: 4", "epochs2: line 2: no such setting, the nearest is epochs"},
	} {
		settings, err := parseConfig([]byte(test.text), append(configurable(), sweeps...))
		var got []string
		for _, s := range settings {
			got = append(got, fmt.Sprintf("%s.%s=%s line %d", s.command, s.name, s.value, s.line))
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%q reads as %q, want %q", test.text, got, test.want)
		}
	}
}

// TestConfigFile has the mistakes that are not in the text, and the exit codes.
func TestConfigFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"wrong.yaml": "train:\n  epochs: many\n", "zero.yaml": "epochs: 0\ndata: sample\nout: r\n",
		"large.yaml": strings.Repeat("#", configLimit+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"train --config none.yaml", exitFailed, "--config names none.yaml, which does not exist"},
		{"train --config .", exitFailed, "--config names ., which is a folder: name a YAML file"},
		{"train --config large.yaml", exitFailed, "--config names large.yaml, which is larger than 1 MB: that is no file of settings"},
		{"train --config wrong.yaml", exitUsage, `wrong.yaml: train.epochs: line 2: "many" is not a whole number`},
		{"export --config wrong.yaml", exitUsage, `wrong.yaml: train.epochs: line 2: "many" is not a whole number`},
		{"train --config zero.yaml", exitUsage, "--epochs is 0, want at least 1"},
		{"version --config zero.yaml", exitUsage, "unknown flag --config; see cosfit version --help"},
	} {
		code, stdout, stderr := cosfit(t, context.Background(), dir, strings.Fields(test.args)...)
		if code != test.code || stderr != "cosfit: "+test.want+"\n" || stdout != "" {
			t.Errorf("%s: exit code %d, printed %q, want %d, %q", test.args, code, stderr, test.code, test.want)
		}
	}
}

// TestConfigCommands wants --config exactly where it is of use, one type for
// each name, and no command that is called like a setting but cache and data: a
// file tells their settings from the folder by their shape.
func TestConfigCommands(t *testing.T) {
	commands := newApp(io.Discard, io.Discard).Commands
	var with []string
	kinds := map[string]kind{}
	for _, c := range commands {
		if findFlag(c.Flags, "--config") == nil {
			continue
		}
		with = append(with, c.Name)
		for _, f := range c.Flags {
			name := f.Names()[0]
			if k, ok := kinds[name]; ok && k != kindOf(f) && k != aSwept && kindOf(f) != aSwept { // a sweep takes several of one type
				t.Errorf("--%s is %s and %s", name, k, kindOf(f))
			}
			kinds[name] = kindOf(f)
		}
	}
	if got, want := strings.Join(with, " "), "demo fit embed mine train sweep eval export apply"; got != want {
		t.Errorf("%s have --config, want %s", got, want)
	}
	for _, c := range commands {
		if _, ok := kinds[c.Name]; ok && c.Name != "cache" && c.Name != "data" {
			t.Errorf("%s is a command and a setting", c.Name)
		}
	}
}

// TestResumeWithConfig resumes a run that a file began: with the same file,
// with one that differs, and without.
func TestResumeWithConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.yaml", "data: sample\ntrain:\n  dims: 16\n  epochs: 2\n  optimizer: sgd\n  momentum: 0.5\n  learning-rate: 0.1\n")
	write("b.yaml", "data: sample\ntrain:\n  dims: 16\n  epochs: 3\n")
	must(t, dir, "train", "--config", "a.yaml", "--out", "whole")
	ctx := &lateContext{Context: context.Background(), file: filepath.Join(dir, "run", "config.json")}
	if code, _, stderr := cosfit(t, ctx, dir, "train", "--config", "a.yaml", "--out", "run"); code != exitFailed || !strings.Contains(stderr, "checkpoint is saved") {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	resume := func(more ...string) (int, string) {
		code, _, stderr := cosfit(t, context.Background(), dir, append([]string{"train", "--resume", "--out", "run"}, more...)...)
		return code, stderr
	}
	want := "cosfit: run was begun with other settings (epochs was 2 and is 3): resume with the same, or train into another folder\n"
	for _, args := range [][]string{{"--config", "b.yaml"}, {"--epochs", "3"}, {"--config", "a.yaml", "--epochs", "3"}} {
		if code, stderr := resume(args...); code != exitFailed || !strings.HasSuffix(stderr, want) {
			t.Errorf("resume with %v: exit code %d, printed %q, want %q", args, code, stderr, want)
		}
	}
	if code, stderr := resume("--config", "a.yaml"); code != exitDone {
		t.Fatalf("resume with its own file: %d, %s", code, stderr)
	}
	a, _ := os.ReadFile(filepath.Join(dir, "whole", "matrix.safetensors"))
	b, _ := os.ReadFile(filepath.Join(dir, "run", "matrix.safetensors"))
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("the resumed run ends with another matrix")
	}
}

func TestEdits(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := edits(test.a, test.b); got != test.want {
			t.Errorf("%q and %q are %d edits apart, want %d", test.a, test.b, got, test.want)
		}
	}
}

// FuzzConfig wants from any text either one sentence or settings that the flags
// take.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"", "epochs: 3\n", "train:\n  learning-rate: 1e-3\n  force: true\n", "data: &a x\nout: *a\n", "a: [", "group-column: -",
		"seed: 010\n---\n", "? {a: b}\n: c", "%YAML 1.2\n---\nepochs: !!int 3", "left-column: |\n  x\n", "<<: {epochs: 3}",
	} {
		f.Add([]byte(text))
	}
	commands := newApp(io.Discard, io.Discard).Commands
	line := regexp.MustCompile(`[\n\r]`)
	f.Fuzz(func(t *testing.T, text []byte) {
		settings, err := parseConfig(text, commands)
		if err != nil && (settings != nil || line.MatchString(err.Error())) {
			t.Errorf("%d settings and the error %q", len(settings), err)
		}
		for _, s := range settings {
			if s.line < 1 {
				t.Errorf("%+v is in no line", s)
			}
			name := s.command
			if name == everyCommand {
				name = "train"
			}
			err := probe(name, nil, func(c *cli.Context) {
				if findFlag(c.Command.Flags, "--"+s.name) == nil {
					return
				}
				if err := c.Set(s.name, s.value); err != nil {
					t.Errorf("%+v: %v", s, err)
				}
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
