//go:build gpu && linux

package cuda

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// graphsVariable is set to 0 by who wants every step told call by call; the
// bits are the same.
const graphsVariable = "COSFIT_CUDA_GRAPHS"

// Open makes a GPU ready: it loads NVIDIA's libraries and compiles the kernels
// or takes them from the cache. The caller closes the backend.
//
// Where there is no GPU at all, the error wraps ErrNoGPU.
func Open(o Options) (graph.Backend, error) {
	b, err := open(settings{Options: o, projectRows: projectRows, partSimilarities: partSimilarities, recordNothing: os.Getenv(graphsVariable) == "0"})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// settings are the options, and what else tests vary.
type settings struct {
	Options
	algorithm        int  // of a product, as cuBLASLt lists them from 1 on; 0 is the fastest
	recordNothing    bool // every step is told call by call
	projectRows      int  // of a block
	partSimilarities int  // of InfoNCE, held at a time
}

func open(o settings) (*Backend, error) {
	if o.Precision == "" {
		o.Precision = TF32
	}
	if all := []Precision{FP32, TF32, BF16}; !slices.Contains(all, o.Precision) {
		return nil, fmt.Errorf("precision %q is unknown; there are: fp32, tf32, bf16", o.Precision)
	}
	driver, count, err := openDriver()
	if err != nil {
		return nil, err
	}
	if o.Device < 0 || o.Device >= count {
		return nil, fmt.Errorf("there is no GPU %d: this machine has %d, the first of them number 0", o.Device, count)
	}
	device, err := driver.Device(o.Device)
	if err != nil {
		return nil, err
	}
	b := &Backend{precision: o.Precision, device: device, recordsNothing: o.recordNothing, projectRows: o.projectRows, partSimilarities: o.partSimilarities, threads: o.Threads}
	if err := b.start(driver, o); err != nil {
		b.Close() // the error that matters is the first
		return nil, err
	}
	return b, nil
}

// openDriver loads the driver, which must have a GPU.
func openDriver() (*nvidia.Driver, int, error) {
	driver, err := nvidia.OpenDriver()
	var missing *nvidia.NotFoundError
	if errors.As(err, &missing) || nvidia.IsNoDevice(err) {
		return nil, 0, noGPU{err}
	}
	if err != nil {
		return nil, 0, err
	}
	count, err := driver.DeviceCount()
	if err == nil && count == 0 {
		err = noGPU{errors.New("the NVIDIA driver shows this process no GPU: is CUDA_VISIBLE_DEVICES empty?")}
	}
	return driver, count, err
}

// noGPU is an error that wraps ErrNoGPU without its words.
type noGPU struct{ error }

func (e noGPU) Unwrap() []error { return []error{e.error, ErrNoGPU} }

// start takes the device and everything that a backend has from the beginning.
func (b *Backend) start(driver *nvidia.Driver, o settings) (err error) {
	name, err := b.device.Name()
	if err != nil {
		return err
	}
	capability, err := b.device.Capability()
	if err != nil {
		return err
	}
	if b.precision != FP32 && capability.Major < 8 {
		return fmt.Errorf("%s computes in fp32 only (its compute capability is %v, %s needs 8.0): take --precision fp32", name, capability, b.precision)
	}
	nvrtc, err := nvidia.OpenNVRTC(driver.Version.Major)
	if err != nil {
		return err
	}
	blas, err := nvidia.OpenCublasLt(driver.Version.Major)
	if err != nil {
		return err
	}
	architecture, err := nvrtc.Architecture(capability)
	if err != nil {
		return err
	}
	b.kernel = fmt.Sprintf("%s/%s/cublasLt-%s/nvrtc-%v", b.precision, architecture, blas.Library.Version, nvrtc.Version)
	context, err := b.device.Retain()
	if err != nil {
		return err
	}
	b.context = context
	b.closing(context.Release)
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	for _, s := range []**nvidia.Stream{&b.stream, &b.copies} {
		if *s, err = b.context.NewStream(); err != nil {
			return err
		}
		b.closing((*s).Destroy)
	}
	handle, err := blas.NewHandle()
	if err != nil {
		return err
	}
	b.closing(handle.Destroy)
	images, products := "", ""
	if o.Cache != "" {
		images = filepath.Join(o.Cache, "kernels")
		if o.algorithm == 0 {
			products = filepath.Join(o.Cache, "products")
		}
	}
	b.products = newProducts(handle, tunedFor{Device: name, CublasLt: blas.Library.Version}, products, o.algorithm)
	b.compiler = kernels.NewCompiler(nvrtc, architecture, images)
	return b.compile()
}

// compile loads the kernels that every training needs: those of a step in its
// precision, and those of evaluation, which are fp32's.
func (b *Backend) compile() (err error) {
	if b.step, err = b.compiler.Step(b.context, b.precision); err != nil {
		return err
	}
	b.closing(b.step.Close)
	b.exact = b.step
	if b.precision != FP32 {
		if b.exact, err = b.compiler.Step(b.context, FP32); err != nil {
			return err
		}
		b.closing(b.exact.Close)
	}
	return nil
}

// Devices lists the GPUs that this process may use. Where there is none, the
// error wraps ErrNoGPU.
func Devices() ([]Device, error) {
	driver, count, err := openDriver()
	if err != nil {
		return nil, err
	}
	all := make([]Device, count)
	for i := range all {
		if all[i], err = describe(driver, i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func describe(driver *nvidia.Driver, i int) (Device, error) {
	d := Device{Index: i}
	g, err := driver.Device(i)
	if err != nil {
		return d, err
	}
	if d.Name, err = g.Name(); err != nil {
		return d, err
	}
	if d.Memory, err = g.TotalMemory(); err != nil {
		return d, err
	}
	capability, err := g.Capability()
	if err != nil {
		return d, err
	}
	d.Capability = capability.String()
	d.Multiprocessors, err = g.Attribute(nvidia.Multiprocessors)
	return d, err
}

// Libraries lists what Open loads, found or not.
func Libraries() []Library {
	newest := 0
	var all [3]Library
	driver, err := nvidia.OpenDriver()
	if err == nil {
		newest = driver.Version.Major
		all[0] = found(driver.Library)
	}
	all[0].Name, all[0].Err = "driver", err
	nvrtc, err := nvidia.OpenNVRTC(newest)
	if err == nil {
		all[1] = found(nvrtc.Library)
	}
	all[1].Name, all[1].Err = "NVRTC", err
	blas, err := nvidia.OpenCublasLt(newest)
	if err == nil {
		all[2] = found(blas.Library)
	}
	all[2].Name, all[2].Err = "cuBLASLt", err
	return all[:]
}

func found(l nvidia.Library) Library { return Library{Version: l.Version, Path: l.Path} }
