package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// release is set by the linker: -ldflags "-X main.release=1.2.3".
var release string

// version is the release, or what the Go tool knows of the build.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version",
		Description: "Example:\n  cosfit version --json",
		Flags:       []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			if c.Bool("json") {
				return writeJSON(c.App.Writer, map[string]string{"version": version(), "go": runtime.Version(), "platform": platform})
			}
			fmt.Fprintf(c.App.Writer, "cosfit %s (%s, %s)\n", version(), runtime.Version(), platform)
			return nil
		},
	}
}
