package space

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/cosfit/cosfit/internal/strictyaml"
)

// ParseYAML reads parameters from a file of them, named like their flags:
//
//	learning-rate: 1e-4..1e-2:log
//	loss: [mse, infonce]
//	temperature:
//	  values: 0.02..0.2:log
//	  when: {loss: infonce}
//
// Whatever a flag takes stands there as it is; a list may be one of YAML's. It
// returns parameters in the order of the file, none of an empty one. Its errors
// are sentences that begin with the line.
func (f Flags) ParseYAML(text []byte) ([]Parameter, error) {
	root, err := strictyaml.Document(text)
	if err != nil || root == nil {
		return nil, err
	}
	return f.FromYAML(root)
}

// FromYAML is ParseYAML of a part of a file.
func (f Flags) FromYAML(n *yaml.Node) ([]Parameter, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want parameters, a line each, such as learning-rate: 1e-4..1e-2:log", n.Line)
	}
	var parameters []Parameter
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key is the name of a flag, without the dashes", key.Line)
		}
		if first, ok := lines[key.Value]; ok {
			return nil, fmt.Errorf("line %d: --%s is in the space twice, first in line %d", key.Line, key.Value, first)
		}
		lines[key.Value] = key.Line
		text, err := parameterText(value)
		if err != nil {
			return nil, fmt.Errorf("line %d: --%s %w", key.Line, key.Value, err)
		}
		p, err := f.Parse(key.Value, text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", key.Line, err)
		}
		parameters = append(parameters, p)
	}
	return parameters, nil
}

// parameterText is a parameter in the form of the command line.
func parameterText(n *yaml.Node) (string, error) {
	if n.Kind != yaml.MappingNode {
		return valuesText(n)
	}
	var values, when string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		var err error
		switch {
		case key == "values" && values == "":
			values, err = valuesText(value)
		case key == "when" && when == "":
			when, err = whenText(value)
		default:
			err = fmt.Errorf("has %q, want values and when, once each", key)
		}
		if err != nil {
			return "", err
		}
	}
	if values == "" {
		return "", errors.New("has no values: write values: and a range or a list")
	}
	return values + when, nil
}

func whenText(n *yaml.Node) (string, error) {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", errors.New("has when without one parameter and its values: write when: {loss: infonce}")
	}
	values, err := valuesText(n.Content[1])
	if err == nil && strings.ContainsAny(values+n.Content[0].Value, ":=") {
		err = errors.New("has when with something else than values: write when: {loss: infonce}")
	}
	return ":" + n.Content[0].Value + "=" + values, err
}

// valuesText is a range, a value, or a list of values.
func valuesText(n *yaml.Node) (string, error) {
	if n.Kind != yaml.SequenceNode {
		return scalarText(n)
	}
	var values []string
	for _, v := range n.Content {
		text, err := scalarText(v)
		if err != nil {
			return "", err
		}
		if strings.ContainsAny(text, ",:") || strings.Contains(text, "..") {
			return "", fmt.Errorf("has %q within a list, want single values there", text)
		}
		values = append(values, text)
	}
	if len(values) == 0 {
		return "", errors.New("has an empty list: write at least one value")
	}
	return strings.Join(values, ","), nil
}

// scalarText leaves it to the flag what a text means: it refuses what YAML
// alone understands.
func scalarText(n *yaml.Node) (string, error) {
	switch {
	case n.Kind == yaml.AliasNode:
		return "", fmt.Errorf("has *%s, which refers to another value: write the value itself", n.Value)
	case n.Kind != yaml.ScalarNode:
		return "", errors.New("has lists or sections within a list, want single values there")
	case n.Style&yaml.TaggedStyle != 0 || !strings.HasPrefix(n.ShortTag(), "!!"):
		return "", fmt.Errorf("has the tag %s: write the value without one", n.ShortTag())
	case strictyaml.IsNull(n) || n.Value == "":
		return "", errors.New("has no value: write a range or a list, or remove the line")
	}
	return n.Value, nil
}
