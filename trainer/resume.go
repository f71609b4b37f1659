package trainer

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
)

// sameRun refuses to go on with other settings or data than a run was begun
// with, and says what differs.
func sameRun(path string, begun, now rundir.Config) error {
	a, b := settings(begun), settings(now)
	var differences []string
	for key, was := range a {
		if is := b[key]; !reflect.DeepEqual(was, is) {
			differences = append(differences, fmt.Sprintf("%s was %s and is %s", key, text(was), text(is)))
		}
	}
	if differences == nil {
		return nil
	}
	slices.Sort(differences)
	return fmt.Errorf("%s was begun with other settings (%s): resume with the same, or train into another folder", path, strings.Join(differences, "; "))
}

// settings flattens what decides the result of a run.
func settings(c rundir.Config) map[string]any {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil // a Config is plain data
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil
	}
	delete(m, "data")
	m["data"] = c.Data.Fingerprint
	return m
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
