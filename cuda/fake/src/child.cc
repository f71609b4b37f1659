// The device process as the library holds it.
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "driver.h"

extern char** environ;

void complain(const std::string& message) {
  std::string line = "fake device: " + message + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

std::string libraryFolder() {
  Dl_info library;
  dladdr(reinterpret_cast<void*>(&libraryFolder), &library);
  std::string path = library.dli_fname;
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

namespace {

// A copy of a descriptor that is out of the way of those the child expects.
int moveUp(int descriptor) {
  int high = fcntl(descriptor, F_DUPFD_CLOEXEC, 10);
  close(descriptor);
  return high;
}

// The device's addresses in this process: nobody may touch them.
bool reserve() {
  static void* reserved = mmap(reinterpret_cast<void*>(deviceBase), deviceSpan, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
  return reserved == reinterpret_cast<void*>(deviceBase);
}

// The arguments of this process.
std::vector<std::string> arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> all;
  for (std::string argument; std::getline(file, argument, '\0');) all.push_back(argument);
  return all;
}

// With a signal mask of its own (the Go runtime's threads block signals), and
// at fixed addresses, without which ThreadSanitizer may not start.
pid_t spawn(const std::string& program, int socket, int memory) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, socket, socketDescriptor);
  posix_spawn_file_actions_adddup2(&files, memory, memoryDescriptor);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  int before = personality(0xffffffff);
  personality(before | ADDR_NO_RANDOMIZE);
  char* arguments[] = {const_cast<char*>("cosfit-fake-device"), nullptr};
  pid_t process = -1;
  int code = posix_spawn(&process, program.c_str(), &files, &attributes, arguments, environ);
  personality(before);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (code) complain(format("%s cannot be started: %s", program.c_str(), strerror(code)));
  return code ? -1 : process;
}

}  // namespace

void settleAddresses() {
  constexpr auto again = "COSFIT_FAKE_AGAIN";
  if (reserve() || getenv(again)) return;
  std::vector<std::string> words = arguments();
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  setenv(again, "1", 1);
  execv("/proc/self/exe", pointers.data());
}

Child::Child() {
  int ends[2];
  memory = moveUp(memfd_create("device memory", MFD_CLOEXEC));
  if (!reserve() || memory < 0 || ftruncate(memory, deviceSpan) ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
    complain("the device's addresses cannot be had in this process");
    return;
  }
  void* mapped = mmap(nullptr, deviceSpan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory, 0);
  if (mapped == MAP_FAILED) {
    complain("the device's memory cannot be mapped");
    return;
  }
  window = static_cast<char*>(mapped);
  socket = moveUp(ends[0]);
  int other = moveUp(ends[1]);
  process = spawn(libraryFolder() + "/device", other, memory);
  close(other);
}

Child::~Child() {
  close(socket);  // which ends it
  if (window) munmap(window, deviceSpan);
  close(memory);
  if (process > 0) waitpid(process, nullptr, 0);
}

void Child::discard(const Allocation& a) {
  fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, a.firstPage() - deviceBase, a.pages());
}

Reply Child::ask(const Request& request, size_t size, int file) {
  iovec buffer{const_cast<Request*>(&request), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &buffer, message.msg_iovlen = 1;
  if (file >= 0) {
    message.msg_control = control, message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &file, sizeof file);
  }
  Reply reply{};
  ssize_t got = process > 0 ? sendmsg(socket, &message, MSG_NOSIGNAL) : -1;
  bool sent = got > 0;
  while (sent && (got = recv(socket, &reply, sizeof reply, 0)) < 0 && errno == EINTR) {}
  if (got <= 0) {
    int status = 0;
    if (process > 0 && waitpid(process, &status, 0) == process) process = -1;
    reply.code = CUDA_ERROR_UNKNOWN;
    snprintf(reply.message, sizeof reply.message, "the device process is gone (%s %d)",
             WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  }
  if (reply.code) complain(format("%s (%s)", reply.message, errorName(reply.code)));
  return reply;
}
