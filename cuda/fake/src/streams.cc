// Work that waits: streams, the events that order them, and captures.
#include <algorithm>

#include "driver.h"

int Device::enqueue(const std::shared_ptr<Stream>& stream, Operation operation) {
  if (Capture* capture = stream->capture.get()) {
    if (capture->invalid) return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the stream's capture has been made invalid by an earlier call");
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
        return refuse(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the default stream would wait for a stream that is captured");
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
    return refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a captured stream waits for an event that was recorded outside the capture");
  }
  if (!event.stream) return 0;  // never recorded
  return enqueue(stream, [this, other = event.stream, ticket = event.ticket] { return drain(*other, ticket); });
}

bool Device::capturing(bool strictly) const {
  constexpr int relaxed = 2;
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
