package main

import "errors"

func tableCommand([]string) error { return errors.New("not yet") }
