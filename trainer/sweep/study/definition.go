package study

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A Definition is what makes two sweeps the same: with the same definition,
// the trials of one help the other. It is kept in user attributes of the
// study, cosfit:metric and so on, where Python sees it too.
type Definition struct {
	Name    string            // of the study, 512 characters at most
	Space   space.Space       // what is searched
	Flags   map[string]string // of cosfit train, the same for every trial
	Metric  string            // what trials are judged by; larger is better
	Sampler string            // by its name
	Pruner  string
	Seed    uint64
	Data    string // fingerprint of the data set
}

// formVersion numbers the form of the attributes.
const formVersion = 1

const attributePrefix = "cosfit:"

// attributes are the definition's, by key, in JSON.
func (d Definition) attributes() (map[string]string, error) {
	flags := d.Flags
	if flags == nil {
		flags = map[string]string{}
	}
	all := map[string]string{}
	for key, value := range map[string]any{
		"version": formVersion, "space": parametersOf(d.Space), "flags": flags, "metric": d.Metric, "sampler": d.Sampler,
		"pruner": d.Pruner, "seed": d.Seed, "data": d.Data,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		all[attributePrefix+key] = string(text)
	}
	return all, nil
}

// A parameter is one of the space in JSON.
type parameter struct {
	Name         string          `json:"name"`
	Distribution json.RawMessage `json:"distribution"`
	When         *condition      `json:"when,omitempty"`
}

type condition struct {
	Parameter string   `json:"parameter"`
	Values    []string `json:"values"`
}

func parametersOf(s space.Space) []parameter {
	parameters := make([]parameter, len(s))
	for i, p := range s {
		parameters[i] = parameter{Name: p.Name, Distribution: json.RawMessage(distributionJSON(p.Distribution))}
		if p.When != nil {
			parameters[i].When = &condition{p.When.Parameter, p.When.Values}
		}
	}
	return parameters
}

// parseSpace reads the JSON of parametersOf.
func parseSpace(text string) (space.Space, error) {
	var list []parameter
	if err := strictJSON([]byte(text), &list); err != nil {
		return nil, err
	}
	var parameters []space.Parameter
	for _, p := range list {
		d, err := parseDistribution(string(p.Distribution))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		parsed := space.Parameter{Name: p.Name, Distribution: d}
		if p.When != nil {
			parsed.When = &space.Condition{Parameter: p.When.Parameter, Values: p.When.Values}
		}
		parameters = append(parameters, parsed)
	}
	return space.New(parameters)
}

// readDefinition reads the definition of a study from its attributes.
func readDefinition(ctx context.Context, s session, name string, id int64) (Definition, error) {
	d := Definition{Name: name}
	attributes := map[string]string{}
	err := s.each(ctx, func(rows *sql.Rows) error {
		var key string
		var value sql.NullString
		err := rows.Scan(&key, &value)
		if key, ok := strings.CutPrefix(key, attributePrefix); ok {
			attributes[key] = value.String
		}
		return err
	}, `SELECT key, value_json FROM study_user_attributes WHERE study_id = ?`, id)
	if err != nil {
		return d, err
	}
	if len(attributes) == 0 {
		return d, fmt.Errorf("the study %s is none of cosfit's: take another name", name)
	}
	var version int
	if err := json.Unmarshal([]byte(attributes["version"]), &version); err == nil && version > formVersion {
		return d, fmt.Errorf("the study %s was made by a newer cosfit (version %d of its attributes, and only %d is known)", name, version, formVersion)
	}
	if d.Space, err = parseSpace(attributes["space"]); err != nil {
		return d, fmt.Errorf("the study %s has a damaged attribute %sspace: %w", name, attributePrefix, err)
	}
	for key, field := range map[string]any{
		"version": &version, "flags": &d.Flags, "metric": &d.Metric, "sampler": &d.Sampler, "pruner": &d.Pruner, "seed": &d.Seed, "data": &d.Data,
	} {
		if err := json.Unmarshal([]byte(attributes[key]), field); err != nil {
			return d, fmt.Errorf("the study %s has a damaged attribute %s%s: %w", name, attributePrefix, key, err)
		}
	}
	return d, nil
}

// differs is an error that says in what the study there differs from the one
// that is wanted, nil where it does not.
func (d Definition) differs(there Definition) error {
	var differences []string
	differ := func(what, is, want string) {
		if is != want {
			differences = append(differences, fmt.Sprintf("%s %s, not %s", what, is, want))
		}
	}
	differ("data", there.Data, d.Data)
	differ("metric", there.Metric, d.Metric)
	differ("sampler", there.Sampler, d.Sampler)
	differ("pruner", there.Pruner, d.Pruner)
	differ("seed", fmt.Sprint(there.Seed), fmt.Sprint(d.Seed))
	is, want := spaceTexts(there.Space), spaceTexts(d.Space)
	maps.Copy(is, flagTexts(there.Flags))
	maps.Copy(want, flagTexts(d.Flags))
	names := slices.Sorted(maps.Keys(is))
	for name := range want {
		if _, ok := is[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		differ("--"+name, orNone(is[name]), orNone(want[name]))
	}
	if len(differences) == 0 {
		return nil
	}
	return errors.New("it has " + strings.Join(differences, "; "))
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// flagTexts tells an empty value from no flag.
func flagTexts(flags map[string]string) map[string]string {
	texts := map[string]string{}
	for name, value := range flags {
		texts[name] = value
		if value == "" {
			texts[name] = `""`
		}
	}
	return texts
}

// spaceTexts are the parameters in the form of the command line.
func spaceTexts(s space.Space) map[string]string {
	texts := map[string]string{}
	for _, p := range s {
		var text string
		switch d := p.Distribution.(type) {
		case space.Float:
			text = d.Text(d.Low) + ".." + d.Text(d.High)
			if d.Step != 0 {
				text += ":" + d.Text(d.Step)
			}
			if d.Log {
				text += ":log"
			}
		case space.Int:
			text = fmt.Sprintf("%d..%d", d.Low, d.High)
			if d.Step != 1 {
				text += fmt.Sprintf(":%d", d.Step)
			}
			if d.Log {
				text += ":log"
			}
		case space.Categorical:
			text = strings.Join(d.Choices, ",")
		}
		if p.When != nil {
			text += ":" + p.When.Parameter + "=" + strings.Join(p.When.Values, ",")
		}
		texts[p.Name] = text
	}
	return texts
}
