//go:build gpu && linux

package nvidia

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"
)

// NVRTC is the loaded compiler of CUDA C. It needs no GPU.
type NVRTC struct {
	Library Library
	Version Version

	version, errorString                          symbol
	createProgram, compileProgram, destroyProgram symbol
	logSize, log, cubinSize, cubin, ptxSize, ptx  symbol
	numSupportedArchs, supportedArchs             symbol
}

func (n *NVRTC) symbols() map[string]*symbol {
	return map[string]*symbol{
		"nvrtcVersion":              &n.version,
		"nvrtcGetErrorString":       &n.errorString,
		"nvrtcCreateProgram":        &n.createProgram,
		"nvrtcCompileProgram":       &n.compileProgram,
		"nvrtcDestroyProgram":       &n.destroyProgram,
		"nvrtcGetProgramLogSize":    &n.logSize,
		"nvrtcGetProgramLog":        &n.log,
		"nvrtcGetCUBINSize":         &n.cubinSize,
		"nvrtcGetCUBIN":             &n.cubin,
		"nvrtcGetPTXSize":           &n.ptxSize,
		"nvrtcGetPTX":               &n.ptx,
		"nvrtcGetNumSupportedArchs": &n.numSupportedArchs,
		"nvrtcGetSupportedArchs":    &n.supportedArchs,
	}
}

// OpenNVRTC loads the first NVRTC that is not of a newer CUDA than newest, the
// major version of the driver; 0 takes any.
func OpenNVRTC(newest int) (*NVRTC, error) { return newFinder().openNVRTC(newest) }

func (f finder) openNVRTC(newest int) (*NVRTC, error) {
	lib, err := f.find(wanted{
		called:  "NVRTC (libnvrtc.so)",
		sonames: []soname{{"libnvrtc.so.13", 13}, {"libnvrtc.so.12", 12}, {"libnvrtc.so.11.2", 11}},
		advice:  install(newest),
	}, newest)
	if err != nil {
		return nil, err
	}
	n := &NVRTC{Library: lib}
	if err := lib.bind(n.symbols(), false); err != nil {
		return nil, err
	}
	n.Library.locate(n.version)
	var major, minor int32
	if err := n.do(&n.version, uintptr(unsafe.Pointer(&major)), uintptr(unsafe.Pointer(&minor))); err != nil {
		return nil, err
	}
	n.Version = Version{int(major), int(minor)}
	n.Library.Version = n.Version.String()
	n.loadBuiltins()
	return n, nil
}

// loadBuiltins loads the library beside NVRTC that it opens by its bare name at
// the first compilation. Once loaded it is found under that name; without this,
// one in a folder of pip's is not. Where there is none beside it, the loader
// must find it, and NVRTC's log says so when it does not.
func (n *NVRTC) loadBuiltins() {
	folder := filepath.Dir(n.Library.Path)
	open(filepath.Join(folder, "libnvrtc-builtins.so."+n.Version.String()))
}

// install is the advice where NVRTC or cuBLASLt is missing, for the driver's
// major version of CUDA, 0 where it is not known.
func install(newest int) string {
	suffix := ""
	if newest == 11 || newest == 12 {
		suffix = fmt.Sprintf("-cu%d", newest)
	}
	return fmt.Sprintf("pip install nvidia-cuda-nvrtc%[1]s nvidia-cublas%[1]s", suffix)
}

// do is what Driver.do is.
//
//go:uintptrescapes
func (n *NVRTC) do(s *symbol, arguments ...uintptr) error {
	code := int32(s.call(arguments...))
	if code == 0 {
		return nil
	}
	name := (*byte)(fromC(n.errorString.call(uintptr(code))))
	return &Error{Call: s.name, Code: int(code), Name: goString(name)}
}

// Architectures are the compute capabilities that this NVRTC compiles for, as
// ten times the major and the minor version, ascending.
func (n *NVRTC) Architectures() ([]int, error) {
	var count int32
	if err := n.do(&n.numSupportedArchs, uintptr(unsafe.Pointer(&count))); err != nil || count == 0 {
		return nil, err
	}
	numbers := make([]int32, count)
	if err := n.do(&n.supportedArchs, uintptr(unsafe.Pointer(&numbers[0]))); err != nil {
		return nil, err
	}
	all := make([]int, count)
	for i, number := range numbers {
		all[i] = int(number)
	}
	slices.Sort(all)
	return all, nil
}

// Architecture is what to compile for so that the kernels run on a device. It
// is sm_90, machine code for exactly a device of 9.0, where this NVRTC knows
// it. Else it is compute_NN of the newest that NVRTC knows and that is not
// newer than the device, so of its own family where there is one: PTX, which
// the driver compiles for the device when it loads the module. That takes
// longer and needs a driver not older than NVRTC.
func (n *NVRTC) Architecture(c Capability) (string, error) {
	known, err := n.Architectures()
	if err != nil {
		return "", err
	}
	at, exact := slices.BinarySearch(known, c.number())
	switch {
	case exact:
		return fmt.Sprintf("sm_%d", c.number()), nil
	case at > 0:
		return fmt.Sprintf("compute_%d", known[at-1]), nil
	}
	return "", fmt.Errorf("NVRTC %v (%s) compiles for no GPU as old as one of compute capability %v: install an older one, see %s",
		n.Version, n.Library.Path, c, librariesVariable)
}

// Compile compiles CUDA C. The name stands for the file in messages; arch is
// sm_NN for a cubin or compute_NN for PTX, which ends with a zero byte as
// Context.LoadModule wants it; options are NVRTC's, such as --use_fast_math or
// --ptxas-options=-v, which writes registers and spills into the log. The log
// comes with an image too, where there are warnings. The error of a source that
// does not compile shows it.
func (n *NVRTC) Compile(name, source, arch string, options ...string) (image []byte, log string, err error) {
	var program uintptr
	text, called := cString(source), cString(name)
	if err := n.do(&n.createProgram, uintptr(unsafe.Pointer(&program)), uintptr(unsafe.Pointer(text)), uintptr(unsafe.Pointer(called)), 0, 0, 0); err != nil {
		return nil, "", err
	}
	defer func() { n.do(&n.destroyProgram, uintptr(unsafe.Pointer(&program))) }()

	arguments := []*byte{cString("--gpu-architecture=" + arch)}
	for _, option := range options {
		arguments = append(arguments, cString(option))
	}
	failed := n.do(&n.compileProgram, program, uintptr(len(arguments)), uintptr(unsafe.Pointer(&arguments[0])))
	written, err := n.read(&n.logSize, &n.log, program)
	if err != nil {
		return nil, "", err
	}
	log = strings.TrimRight(string(written), "\x00\n")
	if e, ok := failed.(*Error); ok {
		e.Text = log
		return nil, log, fmt.Errorf("compile %s for %s: %w", name, arch, e)
	}
	if strings.HasPrefix(arch, "compute_") {
		image, err = n.read(&n.ptxSize, &n.ptx, program)
	} else {
		image, err = n.read(&n.cubinSize, &n.cubin, program)
	}
	return image, log, err
}

// read asks for the size of one of the program's results and then for it.
func (n *NVRTC) read(size, content *symbol, program uintptr) ([]byte, error) {
	var bytes uint64
	if err := n.do(size, program, uintptr(unsafe.Pointer(&bytes))); err != nil || bytes == 0 {
		return nil, err
	}
	all := make([]byte, bytes)
	return all, n.do(content, program, uintptr(unsafe.Pointer(&all[0])))
}
