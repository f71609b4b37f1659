// Captures of a stream's work, and the graphs that they become.
#include "driver.h"

int notCaptured(const Stream& stream) {
  if (!stream.capture) return 0;
  stream.capture->invalid = true;
  return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is being captured");
}

namespace {

int beginCapture(uint64_t streamHandle, int mode) {
  int code;
  if (!streamHandle) return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  if (mode < 0 || mode > 2) return refuse(CUDA_ERROR_INVALID_VALUE, format("mode %d", mode));
  if (stream->capture) return refuse(CUDA_ERROR_INVALID_VALUE, "the stream is being captured already");
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  return 0;
}

int endCapture(uint64_t streamHandle, uint64_t* graph) {
  int code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  auto capture = stream->capture;
  if (!capture) return refuse(CUDA_ERROR_INVALID_VALUE, "the stream is not being captured");
  if (capture->origin != stream)
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture began on another stream");
  if (capture->mode != relaxed && capture->thread != std::this_thread::get_id())
    return refuse(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture was begun by another OS thread");
  *graph = 0;
  bool joined = true;
  for (auto& [branch, state] : capture->branches)
    joined = joined && (branch == stream.get() || state.last <= state.joined);
  capture->active = false;
  capture->origin = nullptr;
  for (auto& [handle, other] : device().streams)
    if (other->capture == capture) other->capture = nullptr;
  if (capture->invalid)
    return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture has been made invalid by an earlier call");
  if (!joined)
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
                  "the last work of a stream that the capture took in is waited for by no other");
  *graph = device().graphs.add(std::make_shared<Graph>(Graph{capture->operations}));
  return 0;
}

int launchGraph(uint64_t executable, uint64_t streamHandle) {
  int code;
  auto graph = object(device().executables, executable, "executable graph", code);
  if (code) return code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  for (const Operation& operation : graph->operations)
    if ((code = device().enqueue(stream, operation))) return code;
  return 0;
}

}  // namespace

extern "C" {

int cuStreamBeginCapture_v2(uint64_t stream, int mode) {
  return api(__func__, context, [&] { return beginCapture(stream, mode); });
}

int cuStreamEndCapture(uint64_t stream, uint64_t* graph) {
  return api(__func__, context, [&] { return endCapture(stream, graph); });
}

int cuStreamIsCapturing(uint64_t handle, int* status) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(handle, code);
    if (!code) *status = !stream->capture ? 0 : stream->capture->invalid ? 2 : 1;
    return code;
  });
}

int cuGraphInstantiateWithFlags(uint64_t* executable, uint64_t graphHandle, unsigned long long) {
  return api(__func__, context, [&] {
    int code;
    auto graph = object(device().graphs, graphHandle, "graph", code);
    if (!code) *executable = device().executables.add(std::make_shared<Graph>(*graph));
    return code;
  });
}

int cuGraphLaunch(uint64_t executable, uint64_t stream) {
  return api(__func__, context, [&] { return launchGraph(executable, stream); });
}

int cuGraphDestroy(uint64_t graph) {
  return api(__func__, context, [&] { return destroy(device().graphs, graph, "graph"); });
}

int cuGraphExecDestroy(uint64_t executable) {
  return api(__func__, context, [&] { return destroy(device().executables, executable, "executable graph"); });
}

}  // extern "C"
