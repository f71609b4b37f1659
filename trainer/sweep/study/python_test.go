package study

import "testing"

func testPython(t *testing.T, storage string) {}
