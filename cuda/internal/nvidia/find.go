//go:build gpu && linux

package nvidia

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A Library is one that was found and loaded. It stays loaded.
type Library struct {
	Name    string // what it was asked for by, such as libnvrtc.so.13
	Path    string // the file
	Version string // what it says of itself, such as 13.0

	handle uintptr
}

// A soname is a library's file name and the major version of CUDA it is of,
// 0 where any will do.
type soname struct {
	name string
	cuda int
}

// wanted is a library as it is searched: its sonames, the newest first.
type wanted struct {
	called  string // in an error
	sonames []soname
	advice  string // what to do when there is none
}

// A NotFoundError is a library that no searched place has.
type NotFoundError struct {
	Library string   // such as libnvrtc
	Looked  []string // the folders that exist and were looked in, beside the loader's own
	Broken  []string // files that are there and do not load, with the loader's reason
	TooNew  []string // files of a newer CUDA than the driver knows
	Advice  string   // what to do
}

func (e *NotFoundError) Error() string {
	text := e.Advice
	if e.Library != "" {
		text = fmt.Sprintf("%s was not found: %s, or name its folder in %s", e.Library, e.Advice, librariesVariable)
	}
	for _, newer := range e.TooNew {
		text += "; " + newer + " needs a newer NVIDIA driver"
	}
	for _, broken := range e.Broken {
		text += "; it was found but does not load: " + broken
	}
	return text
}

// A finder looks for libraries: in the folders of COSFIT_CUDA_LIBRARIES, where
// the loader looks (so LD_LIBRARY_PATH works), and then where toolkits, conda
// and pip put them.
type finder struct {
	env  func(string) string
	root string // before every absolute folder that is not from the environment; tests set it
}

func newFinder() finder { return finder{env: os.Getenv} }

// find loads the library from the first place that has it. A soname of a newer
// CUDA than newest is passed over, unless newest is 0: the driver would refuse
// what it compiles.
func (f finder) find(w wanted, newest int) (Library, error) {
	missing := &NotFoundError{Library: w.called, Advice: w.advice}
	first := folders(f.env(librariesVariable))
	for _, folder := range append(append(first, ""), f.places()...) {
		if folder != "" {
			if info, err := os.Stat(folder); err != nil || !info.IsDir() {
				continue
			}
			missing.Looked = append(missing.Looked, folder)
		}
		for _, s := range w.sonames {
			lib, err := f.try(folder, s, newest)
			switch {
			case err == nil:
				return lib, nil
			case errors.Is(err, errTooNew{}):
				missing.TooNew = append(missing.TooNew, filepath.Join(folder, s.name))
			case !errors.Is(err, os.ErrNotExist):
				missing.Broken = append(missing.Broken, err.Error())
			}
		}
	}
	return Library{}, missing
}

// errTooNew is a library that is there and of a newer CUDA than the driver.
type errTooNew struct{}

func (errTooNew) Error() string { return "newer than the driver" }

// try loads one soname from a folder, or with the loader's own search from "".
func (f finder) try(folder string, s soname, newest int) (Library, error) {
	tooNew := newest > 0 && s.cuda > newest
	path := s.name
	if folder != "" {
		var err error
		if path, err = filepath.Abs(filepath.Join(folder, s.name)); err != nil {
			return Library{}, err
		}
		if _, err := os.Stat(path); err != nil {
			return Library{}, os.ErrNotExist
		}
		if tooNew {
			return Library{}, errTooNew{}
		}
	} else if tooNew {
		return Library{}, os.ErrNotExist
	}
	handle, err := open(path)
	if err != nil {
		// The loader says the same of a library that is not there and of one
		// that needs another that is not there, but for the name before it.
		if folder == "" && strings.HasPrefix(err.Error(), s.name+": cannot open shared object file: No such file") {
			err = os.ErrNotExist
		}
		return Library{}, err
	}
	return Library{Name: s.name, Path: path, handle: handle}, nil
}

// open is dlopen. Its error is kept by thread, hence the lock.
func open(path string) (uintptr, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

// locate fills in the file that the loader chose where it searched itself,
// from the address of any of the library's functions.
func (l *Library) locate(function symbol) {
	if filepath.IsAbs(l.Path) {
		return
	}
	address, err := purego.Dlsym(purego.RTLD_DEFAULT, "dladdr")
	if err != nil {
		return
	}
	dladdr := symbol{"dladdr", address}
	var info struct { // Dl_info
		file *byte
		base uintptr
		name *byte
		at   uintptr
	}
	if dladdr.call(function.address, uintptr(unsafe.Pointer(&info))) != 0 && info.file != nil {
		l.Path = goString(info.file)
	}
}
