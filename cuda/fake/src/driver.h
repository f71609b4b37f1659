// The fake driver's state, which the fake cuBLASLt shares: one device, its
// process, and the work that waits on streams until the host synchronises.
#pragma once
#include <sys/types.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "memory.h"
#include "protocol.h"

// The errors that the fake gives, and their names.
#define COSFIT_CUDA_ERRORS(X)                    \
  X(CUDA_SUCCESS, 0)                             \
  X(CUDA_ERROR_INVALID_VALUE, 1)                 \
  X(CUDA_ERROR_OUT_OF_MEMORY, 2)                 \
  X(CUDA_ERROR_NOT_INITIALIZED, 3)               \
  X(CUDA_ERROR_NO_DEVICE, 100)                   \
  X(CUDA_ERROR_INVALID_DEVICE, 101)              \
  X(CUDA_ERROR_INVALID_IMAGE, 200)               \
  X(CUDA_ERROR_INVALID_CONTEXT, 201)             \
  X(CUDA_ERROR_INVALID_HANDLE, 400)              \
  X(CUDA_ERROR_NOT_FOUND, 500)                   \
  X(CUDA_ERROR_NOT_READY, 600)                   \
  X(CUDA_ERROR_ILLEGAL_ADDRESS, 700)             \
  X(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701)     \
  X(CUDA_ERROR_ASSERT, 710)                      \
  X(CUDA_ERROR_MISALIGNED_ADDRESS, 716)          \
  X(CUDA_ERROR_LAUNCH_FAILED, 719)               \
  X(CUDA_ERROR_NOT_SUPPORTED, 801)               \
  X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900)  \
  X(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901)  \
  X(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903)    \
  X(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, 904)     \
  X(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, 905)    \
  X(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906)     \
  X(CUDA_ERROR_CAPTURED_EVENT, 907)              \
  X(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, 908) \
  X(CUDA_ERROR_UNKNOWN, 999)

enum : int {
#define COSFIT_ERROR(name, code) name = code,
  COSFIT_CUDA_ERRORS(COSFIT_ERROR)
#undef COSFIT_ERROR
};

const char* errorName(int code);  // null for another one

// One line on stderr, behind "fake device: ".
void complain(const std::string& message);

// The folder that this library was loaded from.
std::string libraryFolder();

// Reserves the device's addresses in this process. Go puts its heap at a random
// place, which is that one in a process of some hundreds: that is started again
// from its beginning, once, before it has had anything from the device.
void settleAddresses();

// The process that runs the kernels, and the memory that it shares with this one.
class Child {
 public:
  Child();
  ~Child();
  Child(const Child&) = delete;
  bool started() const { return process > 0; }
  // Sends a request, all but the last unused bytes of it, perhaps with a file,
  // and waits for the reply. A code other than 0 has been reported.
  Reply ask(const Request& request, size_t size = sizeof(Request), int file = -1);
  // Device memory as this process may touch it.
  char* view(uint64_t address) const { return window + (address - deviceBase); }
  void discard(const Allocation& allocation);

 private:
  pid_t process = -1;
  int socket = -1, memory = -1;
  char* window = nullptr;
};

// A handle is never used again, and never two things at once.
inline uint64_t nextHandle() {
  static uint64_t last = 0xfa4e00000000;
  return last += 16;
}

// Objects behind handles.
template <class T>
class Table {
 public:
  uint64_t add(std::shared_ptr<T> object) {
    uint64_t handle = nextHandle();
    objects[handle] = object;
    return handle;
  }
  std::shared_ptr<T> get(uint64_t handle) const {
    auto found = objects.find(handle);
    return found == objects.end() ? nullptr : found->second;
  }
  bool remove(uint64_t handle) { return objects.erase(handle) > 0; }
  auto begin() const { return objects.begin(); }
  auto end() const { return objects.end(); }
  size_t size() const { return objects.size(); }

 private:
  std::map<uint64_t, std::shared_ptr<T>> objects;
};

using Operation = std::function<int()>;  // runs when its turn comes; returns a CUresult

struct Capture;

struct Stream {
  bool blocking = false;  // orders itself with the default stream
  std::deque<Operation> queue;
  uint64_t issued = 0, done = 0;
  std::shared_ptr<Capture> capture;
};

struct Event {
  bool timing = false;
  std::shared_ptr<Stream> stream;  // where it was recorded last, and behind which operation
  uint64_t ticket = 0;
  double milliseconds = 0;
  std::shared_ptr<Capture> capture;  // where it was recorded last, if that was in a capture
  size_t captured = 0;               // operations there by then
};

constexpr int relaxed = 2;  // the mode of a capture that any thread may end

// The work of a capture in the order it was given, which is one of those that
// the streams and events allow.
struct Capture {
  std::shared_ptr<Stream> origin;
  int mode = 0;
  std::thread::id thread;  // that began it
  bool active = true, invalid = false;
  std::vector<Operation> operations;
  struct Branch {
    size_t last = 0, joined = 0;  // operations by its last one, by the last event that others waited for
  };
  std::map<Stream*, Branch> branches;
};

struct Graph {
  std::vector<Operation> operations;
};

struct Module {
  uint64_t child;
};

struct Function {
  uint64_t module;
  std::string name;
  uint64_t child;
  unsigned maxThreads;
  std::vector<Parameter> parameters;
};

// What the primary context owns.
struct Device {
  uint64_t handle = nextHandle();  // the context's
  Child child;
  AddressSpace memory;
  uint64_t used = 0, limit = 0;
  int broken = 0;                       // the error that ended the device; every call returns it from then on
  std::map<uint64_t, uint64_t> pinned;  // start and size
  std::shared_ptr<Stream> legacy = std::make_shared<Stream>();
  Table<Stream> streams;
  Table<Event> events;
  Table<Module> modules;
  Table<Function> functions;
  Table<Graph> graphs, executables;

  std::shared_ptr<Stream> stream(uint64_t handle) const { return handle ? streams.get(handle) : legacy; }
  // Puts work on a stream, or into the graph that is captured from it.
  int enqueue(const std::shared_ptr<Stream>& stream, Operation operation);
  // Does a stream's work up to a ticket, and the work that it waits for.
  int drain(Stream& stream, uint64_t ticket);
  int drainAll();
  int wait(const std::shared_ptr<Stream>& stream, const Event& event);
  bool capturing(bool strictly) const;
  void invalidateCaptures();
  bool isPinned(const void* host, uint64_t size) const;
};

// One call of the API at a time.
struct Driver {
  std::recursive_mutex mutex;
  bool initialised = false;
  int retained = 0;
  std::unique_ptr<Device> device;
  const char* call = "";  // the function that is called, for the messages
};

extern Driver driver;

// Says what is wrong with the current call, and returns the code.
int refuse(int code, const std::string& message);

enum Needs : unsigned { nothing = 0, initialised = 1, context = 3, noCapture = 7 };

// The frame of every function of the driver: the lock, and what must be given
// before it may be called.
int ready(unsigned needs);

template <class Body>
int api(const char* name, unsigned needs, Body body) {
  std::lock_guard<std::recursive_mutex> lock(driver.mutex);
  driver.call = name;
  int code = ready(needs);
  return code ? code : body();
}

// What the parts of the API share.

inline Device& device() { return *driver.device; }
inline unsigned long long ull(uint64_t n) { return n; }  // for format
inline uint64_t at(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// The object behind a handle; where there is none, code says so.
template <class T>
std::shared_ptr<T> object(const Table<T>& table, uint64_t handle, const char* what, int& code) {
  std::shared_ptr<T> found = table.get(handle);
  code = found ? 0 : refuse(CUDA_ERROR_INVALID_HANDLE, format("0x%llx is no %s, or was one", ull(handle), what));
  return found;
}

inline std::shared_ptr<Stream> streamOf(uint64_t handle, int& code) {
  code = 0;
  return handle ? object(device().streams, handle, "stream", code) : device().legacy;
}

template <class T>
int destroy(Table<T>& table, uint64_t handle, const char* what) {
  int code;
  object(table, handle, what, code);
  if (!code) table.remove(handle);
  return code;
}

// 0 unless the stream is being captured, which then fails.
int notCaptured(const Stream& stream);
