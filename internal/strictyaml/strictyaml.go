// Package strictyaml reads the one document of a YAML file, and puts what is
// wrong with it into one sentence.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Document returns the only document's root, or nil where the file is empty.
func Document(text []byte) (*yaml.Node, error) {
	l, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	var document, second yaml.Node
	if err := l.Load(&document); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(err)
	}
	if err := l.Load(&second); err == nil {
		return nil, fmt.Errorf("line %d: a second document begins here: settings are one document, without --- inside", second.Line)
	} else if err != io.EOF {
		return nil, syntaxError(err)
	}
	if len(document.Content) == 0 || IsNull(document.Content[0]) {
		return nil, nil
	}
	return document.Content[0], nil
}

// IsNull reports whether a value was left out.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// syntaxError puts the parser's error into one sentence.
func syntaxError(err error) error {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return fmt.Errorf("not YAML: %w", err)
	}
	text := "not YAML: " + strings.Join(strings.Fields(e.Message), " ")
	if strings.HasPrefix(e.Message, "block sequence entries are not allowed") {
		text += `: a value that is only a dash is written "-"`
	}
	if e.Mark.Line == 0 {
		return errors.New(text)
	}
	return fmt.Errorf("line %d: %s", e.Mark.Line, text)
}
