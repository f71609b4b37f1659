// Work that waits on streams, and the events that order it.
#include <algorithm>
#include <chrono>

#include "driver.h"

int Device::enqueue(const std::shared_ptr<Stream>& stream, Operation operation) {
  if (Capture* capture = stream->capture.get()) {
    if (capture->invalid)
      return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                    "the stream's capture has been made invalid by an earlier call");
    capture->operations.push_back(std::move(operation));
    capture->branches[stream.get()].last = capture->operations.size();
    return 0;
  }
  // The default stream waits for the blocking ones, and they for it.
  if (stream == legacy) {
    for (auto& [handle, other] : streams) {
      if (!other->blocking) continue;
      if (other->capture) {
        other->capture->invalid = true;
        return refuse(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
                      "the default stream would wait for a stream that is captured");
      }
      stream->queue.push_back([this, other = other, ticket = other->issued] { return drain(*other, ticket); });
      stream->issued++;
    }
  } else if (stream->blocking && legacy->done < legacy->issued) {
    stream->queue.push_back([this, ticket = legacy->issued] { return drain(*legacy, ticket); });
    stream->issued++;
  }
  stream->queue.push_back(std::move(operation));
  stream->issued++;
  return 0;
}

int Device::drain(Stream& stream, uint64_t ticket) {
  while (!broken && stream.done < ticket && !stream.queue.empty()) {
    Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    stream.done++;
    if (int code = operation()) broken = code;
  }
  return broken;
}

int Device::drainAll() {
  drain(*legacy, legacy->issued);
  for (auto& [handle, stream] : streams) drain(*stream, stream->issued);
  return broken;
}

int Device::wait(const std::shared_ptr<Stream>& stream, const Event& event) {
  if (event.capture && event.capture->active) {
    if (stream->capture && stream->capture != event.capture) {
      stream->capture->invalid = event.capture->invalid = true;
      return refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "the event belongs to another capture");
    }
    stream->capture = event.capture;
    Capture::Branch& from = event.capture->branches[event.stream.get()];
    if (event.stream != stream) from.joined = std::max(from.joined, event.captured);
    return 0;
  }
  if (stream->capture) {
    stream->capture->invalid = true;
    return refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
                  "a captured stream waits for an event that was recorded outside the capture");
  }
  if (!event.stream) return 0;  // never recorded
  return enqueue(stream, [this, other = event.stream, ticket = event.ticket] { return drain(*other, ticket); });
}

bool Device::capturing(bool strictly) const {
  for (auto& [handle, stream] : streams)
    if (stream->capture && !(strictly && stream->capture->mode == relaxed)) return true;
  return false;
}

void Device::invalidateCaptures() {
  for (auto& [handle, stream] : streams)
    if (stream->capture) stream->capture->invalid = true;
}

bool Device::isPinned(const void* host, uint64_t size) const {
  uint64_t address = reinterpret_cast<uint64_t>(host);
  auto after = pinned.upper_bound(address);
  if (after == pinned.begin()) return false;
  auto& [start, length] = *std::prev(after);
  return address - start <= length && size <= length - (address - start);
}

namespace {

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int recordEvent(uint64_t eventHandle, uint64_t streamHandle) {
  int code;
  auto event = object(device().events, eventHandle, "event", code);
  if (code) return code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  event->stream = stream;
  event->capture = stream->capture;
  if (event->capture) {
    event->captured = event->capture->operations.size();
    return event->capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : 0;
  }
  event->milliseconds = 0;
  code = device().enqueue(stream, [event] { return event->milliseconds = now(), 0; });
  event->ticket = stream->issued;
  return code;
}

// 0 when the host may ask for it: not the event of a capture.
int askable(const Event& event) {
  if (!event.capture) return 0;
  if (event.capture->active) event.capture->invalid = true;
  return refuse(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture, so the host cannot ask for it");
}

bool happened(const Event& event) { return !event.stream || event.stream->done >= event.ticket; }

// A query that finds work unfinished does one piece of it, so that a loop of queries ends.
int query(const std::shared_ptr<Stream>& stream, uint64_t ticket) {
  if (!stream || stream->done >= ticket) return 0;
  int code = device().drain(*stream, stream->done + 1);
  return code ? code : CUDA_ERROR_NOT_READY;
}

int elapsed(float* milliseconds, uint64_t startHandle, uint64_t endHandle) {
  int code;
  auto start = object(device().events, startHandle, "event", code);
  if (code) return code;
  auto end = object(device().events, endHandle, "event", code);
  if (code) return code;
  if (!start->timing || !end->timing)
    return refuse(CUDA_ERROR_INVALID_HANDLE, "an event was created without timing (CU_EVENT_DISABLE_TIMING)");
  if (!start->stream || !end->stream) return refuse(CUDA_ERROR_INVALID_HANDLE, "an event was never recorded");
  if ((code = askable(*start)) || (code = askable(*end))) return code;
  if (!happened(*start) || !happened(*end)) return CUDA_ERROR_NOT_READY;
  *milliseconds = float(end->milliseconds - start->milliseconds);
  return 0;
}

}  // namespace

extern "C" {

int cuStreamCreate(uint64_t* stream, unsigned flags) {
  return api(__func__, context, [&] {
    if (flags > 1) return refuse(CUDA_ERROR_INVALID_VALUE, format("flags %u", flags));
    auto made = std::make_shared<Stream>();
    made->blocking = flags == 0;
    return *stream = device().streams.add(made), 0;
  });
}

int cuStreamDestroy_v2(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto stream = object(device().streams, handle, "stream", code);
    if (!code) code = notCaptured(*stream);
    if (!code) code = device().drain(*stream, stream->issued);
    if (!code) device().streams.remove(handle);
    return code;
  });
}

int cuStreamSynchronize(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(handle, code);
    if (!code) code = notCaptured(*stream);
    return code ? code : device().drain(*stream, stream->issued);
  });
}

int cuStreamQuery(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(handle, code);
    if (!code) code = notCaptured(*stream);
    return code ? code : query(stream, stream->issued);
  });
}

int cuStreamWaitEvent(uint64_t streamHandle, uint64_t eventHandle, unsigned) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(streamHandle, code);
    if (code) return code;
    auto event = object(device().events, eventHandle, "event", code);
    return code ? code : device().wait(stream, *event);
  });
}

int cuEventCreate(uint64_t* event, unsigned flags) {
  return api(__func__, context, [&] {
    if (flags > 7) return refuse(CUDA_ERROR_INVALID_VALUE, format("flags %u", flags));
    auto made = std::make_shared<Event>();
    made->timing = !(flags & 2);
    return *event = device().events.add(made), 0;
  });
}

int cuEventDestroy_v2(uint64_t event) {
  return api(__func__, context, [&] { return destroy(device().events, event, "event"); });
}

int cuEventRecord(uint64_t event, uint64_t stream) {
  return api(__func__, context, [&] { return recordEvent(event, stream); });
}

int cuEventSynchronize(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto event = object(device().events, handle, "event", code);
    if (!code) code = askable(*event);
    return code || !event->stream ? code : device().drain(*event->stream, event->ticket);
  });
}

int cuEventQuery(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto event = object(device().events, handle, "event", code);
    if (!code) code = askable(*event);
    return code ? code : query(event->stream, event->ticket);
  });
}

int cuEventElapsedTime(float* milliseconds, uint64_t start, uint64_t end) {
  return api(__func__, context, [&] { return elapsed(milliseconds, start, end); });
}

int cuEventElapsedTime_v2(float* milliseconds, uint64_t start, uint64_t end) {
  return api(__func__, context, [&] { return elapsed(milliseconds, start, end); });
}

}  // extern "C"
