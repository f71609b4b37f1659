package space

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// flags are some of a training's.
func flags() Flags {
	return Flags{
		"learning-rate": {Kind: Number},
		"dropout":       {Kind: Number},
		"dims":          {Kind: Whole},
		"loss":          {Kind: Word, Words: []string{"cosent", "infonce", "mse"}},
		"symmetric":     {Kind: Word, Words: []string{"true", "false"}, When: &Condition{"loss", []string{"infonce"}}},
		"temperature":   {Kind: Number, When: &Condition{"loss", []string{"infonce"}}},
		"scale":         {Kind: Number, When: &Condition{"loss", []string{"cosent", "logistic"}}},
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Parameter
	}{
		{"learning-rate", "1e-4..1e-2:log", Parameter{Distribution: Float{Low: 1e-4, High: 1e-2, Log: true}}},
		{"learning-rate", "-1.5..+.5", Parameter{Distribution: Float{Low: -1.5, High: 0.5}}},
		{"dropout", "0..0.5:0.1", Parameter{Distribution: Float{High: 0.5, Step: 0.1}}},
		{"dropout", "0.1..0.7:0.2", Parameter{Distribution: Float{Low: 0.1, High: 0.7, Step: 0.2}}}, // 0.6/0.2 is not 3 in binary
		{"dims", "64..512:log", Parameter{Distribution: Int{64, 512, 1, true}}},
		{"dims", "64..512", Parameter{Distribution: Int{64, 512, 1, false}}},
		{"dims", "-64..64:32", Parameter{Distribution: Int{-64, 64, 32, false}}},
		{"dims", "256,384", Parameter{Distribution: Categorical{[]string{"256", "384"}}}},
		{"dropout", "0.1", Parameter{Distribution: Categorical{[]string{"0.1"}}}},
		{"loss", "mse,infonce", Parameter{Distribution: Categorical{[]string{"mse", "infonce"}}}},
		{"temperature", "0.02..0.2:log:loss=infonce,cosent", Parameter{
			Distribution: Float{Low: 0.02, High: 0.2, Log: true}, When: &Condition{"loss", []string{"infonce", "cosent"}}}},
		{"temperature", "0.02..0.2:loss=infonce:log", Parameter{
			Distribution: Float{Low: 0.02, High: 0.2, Log: true}, When: &Condition{"loss", []string{"infonce"}}}},
		{"temperature", "0.02,0.2:loss=infonce", Parameter{
			Distribution: Categorical{[]string{"0.02", "0.2"}}, When: &Condition{"loss", []string{"infonce"}}}},
	} {
		c.want.Name = c.name
		got, err := flags().Parse(c.name, c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("--%s %s: %+v, %v, want %+v", c.name, c.text, got, err, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"rate", "1..2", "--rate is not a parameter of a sweep; there are: dims, dropout, learning-rate, loss, scale, symmetric, temperature"},
		{"learning-rate", "1e-2..1e-4:log", "--learning-rate has the range 0.01..0.0001, which is reversed: write 0.0001..0.01"},
		{"dims", "9..1", "--dims has the range 9..1, which is reversed: write 1..9"},
		{"learning-rate", "0..1:log", "--learning-rate has a logarithmic range from 0, want one from a number above 0"},
		{"learning-rate", "-1..1:log", "--learning-rate has a logarithmic range from -1, want one from a number above 0"},
		{"dims", "0..8:log", "--dims has a logarithmic range from 0, want one from a number above 0"},
		{"learning-rate", "1..1", "--learning-rate has the range 1..1, which is one value: write 1"},
		{"dims", "1..1", "--dims has the range 1..1, which is one value: write 1"},
		{"learning-rate", "1..2:log:0.1", "--learning-rate has both log and a step, which exclude each other"},
		{"dims", "1..9:2:log", "--dims has both log and a step, which exclude each other"},
		{"dropout", "0..0.5:0.2", "--dropout has the range 0..0.5, which is no whole number of steps of 0.2: write 0..0.4"},
		{"dims", "1..8:3", "--dims has the range 1..8, which is no whole number of steps of 3: write 1..7"},
		{"dropout", "0..1:2", "--dropout has the range 0..1, which is less than a step of 2"},
		{"dims", "1..3:5", "--dims has the range 1..3, which is less than a step of 5"},
		{"dropout", "0..0.5:0", "--dropout has steps of 0, want a number above 0"},
		{"dropout", "0..0.5:-0.1", "--dropout has steps of -0.1, want a number above 0"},
		{"dims", "1..8:0", "--dims has steps of 0, want 1 or more"},
		{"dropout", "0..1:1e-300", "--dropout has more than 1048576 steps: leave the step out"},
		{"dropout", "1e20..1.0000000000000001e20:1e4", "--dropout has steps of 10000, which are too small to tell from one another near 1e+20..1.0000000000000002e+20"},
		{"learning-rate", "-1e308..1e308", "--learning-rate has a range that is wider than numbers go: -1e+308..1e+308"},
		{"learning-rate", "1..2:lgo", `--learning-rate has "lgo", want a number`},
		{"learning-rate", "1..2:", `--learning-rate has "" behind its range, want log or a step, once`},
		{"learning-rate", "1..2:log:log", `--learning-rate has "log:log" behind its range, want log or a step, once`},
		{"learning-rate", "1..2..3", `--learning-rate has "2..3", want a number`},
		{"learning-rate", "1..", `--learning-rate has "", want a number`},
		{"learning-rate", "", `--learning-rate has "", want a number`},
		{"learning-rate", "0x1p-2,1", `--learning-rate has "0x1p-2", want a number`},
		{"learning-rate", "NaN..1", `--learning-rate has "NaN", want a number`},
		{"learning-rate", "0..1e999", "--learning-rate has 1e999, which is too large"},
		{"dims", "0.5..2", `--dims has "0.5", want a whole number`},
		{"dims", "1e2", `--dims has "1e2", want a whole number`},
		{"dims", "99999999999999999999,1", "--dims has 99999999999999999999, which is too large"},
		{"dims", "0..9223372036854775807", "--dims has an end beyond ±2^53: 0..9223372036854775807"},
		{"dims", "010,16", "--dims has 010, which counts in eights to some programs and in tens to others: write it without the leading 0"},
		{"loss", "mse,infonze", `--loss has "infonze", which is unknown; there are: cosent, infonce, mse`},
		{"loss", "mse,", `--loss has "", which is unknown; there are: cosent, infonce, mse`},
		{"loss", "cosent..mse", "--loss takes words, which have no range: write a list, such as cosent,infonce,mse"},
		{"loss", "mse,mse", "--loss has the value mse twice"},
		{"dropout", "0.1,0.10", "--dropout has one value twice, as 0.1 and 0.10"},
		{"dropout", "0.1,0.2:log", `--dropout has "log" behind a list: log and steps go with a range, such as 1..9:2`},
		{"temperature", "0.1..1:loss=", `--temperature has the condition "loss=", want one such as loss=infonce`},
		{"temperature", "0.1..1:=mse", `--temperature has the condition "=mse", want one such as loss=infonce`},
		{"temperature", "0.1..1:loss=mse:dims=1", "--temperature has two conditions, want one at most"},
	} {
		if _, err := flags().Parse(c.name, c.text); err == nil || err.Error() != c.want {
			t.Errorf("--%s %s:\n got %v\nwant %s", c.name, c.text, err, c.want)
		}
	}
}

func parseAll(t testing.TB, words ...string) []Parameter {
	var parameters []Parameter
	for _, w := range words {
		name, text, _ := strings.Cut(w, " ")
		p, err := flags().Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		parameters = append(parameters, p)
	}
	return parameters
}

func TestNewPutsParentsFirst(t *testing.T) {
	s, err := flags().New(parseAll(t, "temperature 0.1..1:symmetric=true", "symmetric true,false", "dropout 0.1,0.2", "loss mse,infonce,cosent", "scale 1..20"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range s {
		names = append(names, p.Name)
	}
	if want := []string{"dropout", "loss", "symmetric", "temperature", "scale"}; !slices.Equal(names, want) {
		t.Errorf("the order is %v, want %v", names, want)
	}
	if want := (&Condition{"loss", []string{"infonce"}}); !reflect.DeepEqual(s[2].When, want) {
		t.Errorf("symmetric depends on %v, want %v", s[2].When, want)
	}
	if want := (&Condition{"loss", []string{"cosent"}}); !reflect.DeepEqual(s[4].When, want) { // logistic is not searched
		t.Errorf("scale depends on %v, want %v", s[4].When, want)
	}
}

func TestConditionsOfFlagsNeedTheirParameter(t *testing.T) {
	for _, words := range [][]string{{"temperature 0.1..1"}, {"temperature 0.1..1", "loss infonce"}} {
		s, err := flags().New(parseAll(t, words...))
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(s, func(p Parameter) bool { return p.When != nil }); i >= 0 {
			t.Errorf("%v: %s depends on %v, want on nothing", words, s[i].Name, s[i].When)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	when := func(name, values string) *Condition { return &Condition{name, strings.Split(values, ",")} }
	choice := Categorical{[]string{"a", "b"}}
	for _, c := range []struct {
		parameters []Parameter
		want       string
	}{
		{nil, "the space is empty: give at least one parameter a range or several values, such as --learning-rate 1e-4..1e-2:log"},
		{parseAll(t, "dims 1,2", "dims 3,4"), "--dims is in the space twice"},
		{parseAll(t, "dims 1,2:loss=mse"), "--dims has a condition on loss, which is not in the space; there are: dims"},
		{parseAll(t, "dims 1,2:dropout=0", "dropout 0..1"), "--dims has a condition on dropout, which is a range: conditions need a list of values"},
		{parseAll(t, "dims 1,2:loss=msee", "loss mse,infonce"), "--dims has a condition on loss=msee, but loss is one of mse, infonce"},
		{parseAll(t, "dims 1,2:loss=mse,mse", "loss mse,infonce"), "--dims has a condition with the value mse twice"},
		{parseAll(t, "temperature 0.1..1", "loss mse,cosent"), "--temperature goes with --loss infonce, but loss is one of mse, cosent"},
		{[]Parameter{{"x", choice, when("x", "a")}}, "conditions go round in a circle: --x on --x"},
		{[]Parameter{{"w", choice, when("x", "a")}, {"x", choice, when("y", "a")}, {"y", choice, when("z", "a")}, {"z", choice, when("x", "a")}},
			"conditions go round in a circle: --x on --y on --z on --x"},
		{[]Parameter{{"x", Categorical{}, nil}}, "--x has no values: write at least one"},
		{[]Parameter{{"x", choice, &Condition{Parameter: "y"}}, {"y", choice, nil}}, "--x has a condition on y without values: write y=a"},
		{[]Parameter{{"x", Float{Low: math.NaN(), High: 1}, nil}}, "--x has an end that is not a number: NaN..1"},
	} {
		if _, err := flags().New(c.parameters); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestSettingsExistAndCheck(t *testing.T) {
	s, err := flags().New(parseAll(t, "temperature 0.1..1:symmetric=true", "symmetric true,false", "loss mse,infonce", "dims 1..9:2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		point Point
		want  []Setting // nil where the point is wrong
		text  string    // what is wrong
	}{
		{Point{"loss": 0, "dims": 3}, []Setting{{"loss", "mse"}, {"dims", "3"}}, ""},
		{Point{"loss": 1, "symmetric": 1, "dims": 9}, []Setting{{"loss", "infonce"}, {"symmetric", "false"}, {"dims", "9"}}, ""},
		{Point{"loss": 1, "symmetric": 0, "temperature": 0.1, "dims": 9}, []Setting{{"loss", "infonce"}, {"symmetric", "true"}, {"temperature", "0.1"}, {"dims", "9"}}, ""},
		{Point{"loss": 0, "symmetric": 0, "dims": 3}, nil, "symmetric is set where it does not exist"},
		{Point{"loss": 1, "dims": 3}, nil, "symmetric is missing"},
		{Point{"loss": 0, "dims": 4}, nil, "dims is 4, which is not in the space"},
		{Point{"loss": 2, "dims": 3}, nil, "loss is 2, which is not in the space"},
		{Point{"loss": 0.5, "dims": 3}, nil, "loss is 0.5, which is not in the space"},
		{Point{"loss": 0, "dims": math.NaN()}, nil, "dims is NaN, which is not in the space"},
		{Point{"loss": 0, "dims": 3, "epochs": 1}, nil, "the point has 3 values, of which the space knows 2"},
	} {
		err := s.Check(c.point)
		if c.want == nil {
			if err == nil || err.Error() != c.text {
				t.Errorf("%v: %v, want %s", c.point, err, c.text)
			}
			continue
		}
		if err != nil || !slices.Equal(s.Settings(c.point), c.want) {
			t.Errorf("%v: %v, settings %v, want %v", c.point, err, s.Settings(c.point), c.want)
		}
	}
}

func TestStepsAreDecimal(t *testing.T) {
	for _, c := range []struct {
		d    Float
		want string
	}{
		{Float{Low: 0, High: 0.5, Step: 0.1}, "0 0.1 0.2 0.3 0.4 0.5"},
		{Float{Low: -0.3, High: 0.3, Step: 0.15}, "-0.3 -0.15 0 0.15 0.3"},
		{Float{Low: 1e-7, High: 7e-7, Step: 3e-7}, "1e-07 4e-07 7e-07"},
	} {
		var got []string
		for i := range c.d.Count() {
			x := c.d.Value(i)
			if !c.d.Contains(x) {
				t.Errorf("%v does not contain its own %v", c.d, x)
			}
			got = append(got, c.d.Text(x))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%v has the values %s, want %s", c.d, text, c.want)
		}
	}
}

func TestParseYAML(t *testing.T) {
	const text = `
learning-rate: 1e-4..1e-2:log
loss: [mse, infonce]
dims: [256, 384]
dropout: 0.1
symmetric: [true, false]
temperature:
  when: {loss: [infonce, mse]}
  values: "0.02..0.2:log"
`
	got, err := flags().ParseYAML([]byte(text))
	want := parseAll(t, "learning-rate 1e-4..1e-2:log", "loss mse,infonce", "dims 256,384", "dropout 0.1", "symmetric true,false", "temperature 0.02..0.2:log:loss=infonce,mse")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if got, err := flags().ParseYAML([]byte("# nothing\n")); err != nil || got != nil {
		t.Errorf("an empty file: %v, %v, want nothing", got, err)
	}
}

func TestParseYAMLRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"dims: 1\nrate: 1..2", "line 2: --rate is not a parameter of a sweep; there are: dims, dropout, learning-rate, loss, scale, symmetric, temperature"},
		{"dims: 1\ndims: 2", "line 2: --dims is in the space twice, first in line 1"},
		{"dims:", "line 1: --dims has no value: write a range or a list, or remove the line"},
		{"dims: []", "line 1: --dims has an empty list: write at least one value"},
		{"dims: [1, [2]]", "line 1: --dims has lists or sections within a list, want single values there"},
		{"dims: [1..2, 3]", `line 1: --dims has "1..2" within a list, want single values there`},
		{"dims: 010", "line 1: --dims has 010, which counts in eights to some programs and in tens to others: write it without the leading 0"},
		{"dims: !!int 3", "line 1: --dims has the tag !!int: write the value without one"},
		{"dims: &a 3\ndropout: *a", "line 2: --dropout has *a, which refers to another value: write the value itself"},
		{"dims: {low: 1}", `line 1: --dims has "low", want values and when, once each`},
		{"dims: {when: {loss: mse}}", "line 1: --dims has no values: write values: and a range or a list"},
		{"dims: {values: 1, when: loss}", "line 1: --dims has when without one parameter and its values: write when: {loss: infonce}"},
		{"dims: {values: 1, when: {loss: 'mse:log'}}", "line 1: --dims has when with something else than values: write when: {loss: infonce}"},
		{"- dims", "line 1: want parameters, a line each, such as learning-rate: 1e-4..1e-2:log"},
		{"[a]: 1", "line 1: a key is the name of a flag, without the dashes"},
	} {
		if _, err := flags().ParseYAML([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// FuzzParse: whatever is accepted has values, which the flag reads back as
// they were, and is read again from its own words.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"1e-4..1e-2:log", "0..0.5:0.1", "64..512:log", "1,2,3", "-3..3:1.5:loss=mse", "mse,infonce", "1e-320..1e300:log", "0.1..1e22:0.3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, flag := range flags() {
			p, err := flags().Parse(name, text)
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n\x00") {
					t.Errorf("%q: an error of several lines: %q", text, err)
				}
				continue
			}
			if again, err := flags().Parse(name, p.String()); err != nil || !reflect.DeepEqual(again, p) {
				t.Errorf("%q is written %s, which is read as %+v (%v)", text, p, again, err)
			}
			var values []float64
			for i := range min(p.Distribution.Count(), 1000) {
				values = append(values, p.Distribution.Value(i))
			}
			if d, ok := p.Distribution.(Float); ok {
				values = append(values, d.Low, d.High)
			}
			for _, x := range values {
				checkText(t, flag.Kind, p.Distribution, x)
			}
		}
	})
}

// checkText reads a value's text as the flag does.
func checkText(t *testing.T, k Kind, d Distribution, x float64) {
	text := d.Text(x)
	if !d.Contains(x) {
		t.Errorf("%v does not contain its own %s", d, text)
	}
	var err error
	back := x
	switch c, isChoice := d.(Categorical); {
	case isChoice:
		back = float64(slices.Index(c.Choices, text))
	case k == Whole:
		var n int64
		n, err = strconv.ParseInt(text, 0, 64)
		back = float64(n)
	default:
		back, err = strconv.ParseFloat(text, 64)
	}
	if err != nil || back != x || math.Signbit(back) != math.Signbit(x) {
		t.Errorf("%v is written %s, which is read as %v (%v)", x, text, back, err)
	}
}

// FuzzParseYAML: whatever a file has, the parser ends with parameters or a
// sentence.
func FuzzParseYAML(f *testing.F) {
	f.Add("learning-rate: 1e-4..1e-2:log\nloss: [mse, infonce]\n")
	f.Add("temperature: {values: 0.1..1, when: {loss: infonce}}")
	f.Add("dims: &a [1, 2]\ndropout: *a\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		parameters, err := flags().ParseYAML([]byte(text))
		if err != nil {
			return
		}
		s, err := flags().New(parameters)
		if err != nil {
			return
		}
		for i, p := range s {
			if p.When != nil && !slices.ContainsFunc(s[:i], func(q Parameter) bool { return q.Name == p.When.Parameter }) {
				t.Error(errors.New("a parameter stands before the one that it depends on"))
			}
		}
	})
}
