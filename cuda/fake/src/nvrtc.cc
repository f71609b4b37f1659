// The compiler's API (libnvrtc.so.12): CUDA C through g++ into a shared object,
// which passes for the cubin.
//
// The preprocessor runs first, so what is read and rewritten after it has no
// comments, no macros and no lines left out.
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <cstring>

#include "driver.h"

extern char** environ;

namespace {

enum : int {
  NVRTC_SUCCESS = 0,
  NVRTC_ERROR_INVALID_INPUT = 3,
  NVRTC_ERROR_INVALID_PROGRAM = 4,
  NVRTC_ERROR_INVALID_OPTION = 5,
  NVRTC_ERROR_COMPILATION = 6,
  NVRTC_ERROR_INTERNAL_ERROR = 11,
};

struct Program {
  std::string source, name, log, image;
  std::map<std::string, std::string> headers;
  bool compiled = false;
};

struct {
  std::mutex mutex;
  Table<Program> programs;
} compiler;

int refuseProgram(const char* call, int code, const std::string& message) {
  complain(format("%s: ", call) + message);
  return code;
}

// Files.

std::string readFile(const std::string& path) {
  std::string text;
  if (FILE* file = fopen(path.c_str(), "rb")) {
    char buffer[1 << 16];
    while (size_t n = fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
    fclose(file);
  }
  return text;
}

bool writeFile(const std::string& path, const std::string& text) {
  FILE* file = fopen(path.c_str(), "wb");
  if (!file) return false;
  bool whole = fwrite(text.data(), 1, text.size(), file) == text.size();
  return fclose(file) == 0 && whole;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* parent = getenv("TMPDIR");
    path = std::string(parent && *parent ? parent : "/tmp") + "/cosfit-fake-XXXXXX";
    if (!mkdtemp(path.data())) path.clear();
  }
  ~TemporaryFolder() {
    DIR* folder = path.empty() ? nullptr : opendir(path.c_str());
    if (!folder) return;
    while (dirent* entry = readdir(folder)) unlink(file(entry->d_name).c_str());
    closedir(folder);
    rmdir(path.c_str());
  }
  std::string file(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

// Runs g++ and keeps what it says; true if it succeeded.
bool runCompiler(const std::vector<std::string>& arguments, const std::string& output, std::string& said) {
  std::vector<char*> pointers;
  for (const std::string& a : arguments) pointers.push_back(const_cast<char*>(a.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t process;
  int status = -1, code = posix_spawnp(&process, pointers[0], &files, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (code) {
    said = format("%s cannot be started: %s\n", pointers[0], strerror(code));
    return false;
  }
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {}
  said = readFile(output);
  return status == 0;
}

// Options.

bool startsWith(const std::string& text, const char* prefix) { return text.compare(0, strlen(prefix), prefix) == 0; }

// Turns NVRTC's options into those of g++; the first wrong one is named.
std::string translate(int count, const char* const* options, std::vector<std::string>& out, std::string& standard) {
  const char* ignored[] = {"--use_fast_math",
                           "-use_fast_math",
                           "--fmad=",
                           "-fmad=",
                           "--ftz=",
                           "-ftz=",
                           "--prec-div=",
                           "--prec-sqrt=",
                           "-lineinfo",
                           "--generate-line-info",
                           "-G",
                           "--device-debug",
                           "--ptxas-options",
                           "-default-device",
                           "--device-as-default-execution-space",
                           "--maxrregcount=",
                           "-maxrregcount=",
                           "--restrict",
                           "-restrict",
                           "--extra-device-vectorization",
                           "--split-compile",
                           "-w",
                           "--disable-warnings",
                           "--dopt",
                           "-dopt",
                           "--minimal",
                           "--display-error-number",
                           "-err-no",
                           "--diag-suppress"};
  bool real = false;
  for (int i = 0; i < count; i++) {
    std::string option = options[i];
    size_t equals = option.find('=');
    std::string value = equals == std::string::npos ? "" : option.substr(equals + 1);
    if (startsWith(option, "--gpu-architecture=") || startsWith(option, "-arch=")) {
      if (!startsWith(value, "sm_")) return option + " makes PTX; the fake wants a real architecture such as sm_90";
      real = true;
      continue;
    }
    if (startsWith(option, "--define-macro=")) {
      out.push_back("-D" + value);
      continue;
    }
    if (startsWith(option, "-D") && option.size() > 2) {
      out.push_back(option);
      continue;
    }
    if (startsWith(option, "--std=") || startsWith(option, "-std=")) {
      standard = "-std=" + value;
      continue;
    }
    bool known = false;
    for (const char* prefix : ignored) known = known || startsWith(option, prefix);
    if (!known) return "unknown option " + option;
  }
  return real ? "" : "no --gpu-architecture=sm_…, so NVRTC would compile for its oldest one";
}

// Reading and rewriting.

bool isWord(char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Where a word stands by itself, from a place on; npos where it does not.
size_t findWord(const std::string& text, const std::string& word, size_t from) {
  for (size_t at = text.find(word, from); at != std::string::npos; at = text.find(word, at + 1))
    if ((at == 0 || !isWord(text[at - 1])) && !isWord(text[at + word.size()])) return at;
  return std::string::npos;
}

std::string trim(const std::string& text) {
  size_t first = text.find_first_not_of(" \t\n"), last = text.find_last_not_of(" \t\n");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// Past the parenthesis that closes the one at open.
size_t pastParenthesis(const std::string& text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); i++) {
    depth += (text[i] == '(') - (text[i] == ')');
    if (depth == 0) return i + 1;
  }
  return text.size();
}

// Splits at the commas that stand in no brackets.
std::vector<std::string> splitList(const std::string& text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (char c : text) {
    depth += (c == '(' || c == '[' || c == '<') - (c == ')' || c == ']' || c == '>');
    if (c == ',' && depth == 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// Takes alignas(…) off the front: every shared array is aligned to 16 bytes.
std::string withoutAlignment(std::string text) {
  text = trim(text);
  if (findWord(text, "alignas", 0) == 0) return trim(text.substr(pastParenthesis(text, text.find('('))));
  return text;
}

// `__shared__ float tile[16][17], sum;` becomes
// `auto& tile = cosfit_shared<float[16][17]>(0); auto& sum = cosfit_shared<float>(1);`.
bool rewriteShared(std::string& text, std::string& error) {
  int site = 0;
  for (size_t at = 0; (at = findWord(text, "__shared__", at)) != std::string::npos;) {
    size_t end = text.find(';', at), after = at + strlen("__shared__");
    size_t before = text.find_last_of(";{}", at) + 1;
    std::string declaration = withoutAlignment(text.substr(after, end - after)), type, made;
    bool dynamic = findWord(text.substr(before, at - before), "extern", 0) != std::string::npos;
    // `static` says nothing more, but would keep the first launch's array.
    size_t word = findWord(text, "static", before);
    if (word < at) text.replace(word, strlen("static"), "      ");
    for (const std::string& declarator : splitList(declaration)) {
      std::string left = trim(declarator.substr(0, declarator.find('['))),
                  sizes = declarator.substr(std::min(declarator.find('['), declarator.size()));
      size_t name = left.size();
      while (name > 0 && isWord(left[name - 1])) name--;
      if (type.empty()) type = trim(left.substr(0, name));
      if (type.empty() || name == left.size() || left.find('=') != std::string::npos ||
          trim(sizes).rfind("[]", 0) == 0 || dynamic) {
        error =
            "fake NVRTC: cannot read `__shared__ " + declaration + "`; shared memory is static, and not initialised\n";
        return false;
      }
      made += "auto& " + left.substr(name) + " = cosfit_shared<" + type + " " + sizes + ">(" + std::to_string(site++) +
              "); ";
    }
    std::string lines;
    for (size_t i = at; i < end; i++)
      if (text[i] == '\n') lines += '\n';
    text.replace(at, end + 1 - at, made + lines);
  }
  return true;
}

// A definition of a kernel: `extern "C" __global__ void __launch_bounds__(256) NAME(…) {`.
struct Definition {
  std::string name, bound;
};

std::vector<Definition> findKernels(const std::string& text) {
  std::vector<Definition> found;
  for (size_t at = 0; (at = findWord(text, "__global__", at)) != std::string::npos;) {
    Definition kernel;
    kernel.bound = "0";
    size_t before = text.find_last_of(";}", at) + 1, open = text.find('(', at);
    bool isTemplate = findWord(text.substr(before, at - before), "template", 0) != std::string::npos;
    size_t bounds = findWord(text, "__launch_bounds__", at);
    if (bounds != std::string::npos && bounds < open) {
      size_t close = pastParenthesis(text, open);
      kernel.bound = splitList(text.substr(open + 1, close - open - 2))[0];
      open = text.find('(', close);
    }
    if (open == std::string::npos) break;
    size_t end = text.find_last_not_of(" \t\n", open - 1) + 1, start = end;
    while (start > 0 && isWord(text[start - 1])) start--;
    kernel.name = text.substr(start, end - start);
    at = pastParenthesis(text, open);
    size_t body = text.find_first_not_of(" \t\n", at);
    if (!isTemplate && body != std::string::npos && text[body] == '{') found.push_back(kernel);
  }
  return found;
}

// Compiling.

uint64_t hash(const std::string& text) {  // FNV-1a
  uint64_t h = 0xcbf29ce484222325;
  for (unsigned char c : text) h = (h ^ c) * 0x100000001b3;
  return h;
}

std::vector<std::string> moreFlags() {
  std::vector<std::string> flags;
  const char* setting = getenv("COSFIT_FAKE_CXXFLAGS");
  std::string word;
  for (const char* c = setting ? setting : "";; c++) {
    if (*c && *c != ' ') {
      word += *c;
      continue;
    }
    if (!word.empty()) flags.push_back(word);
    word.clear();
    if (!*c) return flags;
  }
}

bool compile(Program& program, const std::vector<std::string>& options, const std::string& standard) {
  TemporaryFolder folder;
  if (folder.path.empty()) {
    program.log = "fake NVRTC: no temporary folder\n";
    return false;
  }
  for (auto& [name, text] : program.headers) writeFile(folder.file(name), text);
  std::string source = folder.file("source.cc"), said = folder.file("said");
  writeFile(source, "#include \"" + libraryFolder() + "/shim.h\"\n#line 1 \"" + program.name + "\"\n" + program.source);
  std::vector<std::string> preprocess = {"g++", standard, "-E", "-nostdinc", "-nostdinc++", "-I" + folder.path};
  preprocess.insert(preprocess.end(), options.begin(), options.end());
  preprocess.insert(preprocess.end(), {source, "-o", folder.file("plain.cc")});
  if (!runCompiler(preprocess, said, program.log)) return false;

  // Without the folder's name the same source is the same text, for the cache.
  std::string text = readFile(folder.file("plain.cc"));
  for (size_t at; (at = text.find(folder.path)) != std::string::npos;) text.replace(at, folder.path.size(), ".");
  std::vector<Definition> kernels = findKernels(text);
  if (!rewriteShared(text, program.log)) return false;
  text = "#define __global__\n#define __launch_bounds__(...)\n" + text + "\n# 1 \"the generated stubs\"\n";
  for (const Definition& k : kernels)
    text += "extern \"C\" { extern const CosfitKernel cosfit_fake_kernel_" + k.name +
            "; const CosfitKernel cosfit_fake_kernel_" + k.name + " = CosfitStub<&" + k.name + ">::describe(" +
            k.bound + "); }\n";
  writeFile(folder.file("plain.cc"), text);

  // No library is linked: the device process has them all. The sanitizers'
  // functions are its own, too. -Bsymbolic: a kernel may be named as a function
  // of the C library. -fno-gnu-unique: two modules may have kernels of one name
  // and different parameters, and their stubs must not become one.
  std::vector<std::string> build = {"g++",
                                    standard,
                                    "-O1",
                                    "-g1",
                                    "-gdwarf-4",
                                    "-w",
                                    "-shared",
                                    "-nostdlib",
                                    "-fPIC",
                                    "-Wl,-Bsymbolic",
                                    "-fno-exceptions",
                                    "-fno-rtti",
                                    "-fno-gnu-unique",
                                    "-fno-math-errno",
                                    "-fno-strict-aliasing",
                                    "-fsanitize=bounds,alignment",
                                    "-fno-sanitize-recover=all"};
#ifdef COSFIT_FAKE_TSAN
  build.push_back("-fsanitize=thread");
#endif
  for (const std::string& flag : moreFlags()) build.push_back(flag);
  std::string everything = text;
  for (const std::string& flag : build) everything += "\n" + flag;

  std::string cache = libraryFolder() + format("/%016llx.so", (unsigned long long)hash(everything)),
              image = folder.file("image");
  program.image = readFile(cache);
  if (!program.image.empty()) return true;
  build.insert(build.end(), {folder.file("plain.cc"), "-o", image});
  if (!runCompiler(build, said, program.log)) return false;
  program.image = readFile(image);
  std::string partial = cache + format(".%d", getpid());
  if (writeFile(partial, program.image)) rename(partial.c_str(), cache.c_str());
  return true;
}

template <class Body>
int withProgram(const char* call, uint64_t handle, Body body) {
  std::lock_guard<std::mutex> lock(compiler.mutex);
  auto program = compiler.programs.get(handle);
  if (!program)
    return refuseProgram(call, NVRTC_ERROR_INVALID_PROGRAM,
                         format("0x%llx is no program, or was one", (unsigned long long)handle));
  return body(*program);
}

int notCompiled() { return refuseProgram("nvrtcGetCUBIN", NVRTC_ERROR_INVALID_PROGRAM, "the program is not compiled"); }
int notPTX(const char* call) {
  return refuseProgram(call, NVRTC_ERROR_INVALID_PROGRAM, "the fake makes no PTX; ask for the cubin");
}

}  // namespace

extern "C" {

int nvrtcVersion(int* major, int* minor) { return *major = 12, *minor = 9, 0; }

int nvrtcCreateProgram(uint64_t* handle, const char* source, const char* name, int headerCount,
                       const char* const* headers, const char* const* includeNames) {
  if (!handle || !source) return refuseProgram(__func__, NVRTC_ERROR_INVALID_INPUT, "null");
  auto program = std::make_shared<Program>();
  program->source = source;
  program->name = name && *name ? name : "default_program";
  for (int i = 0; i < headerCount; i++) program->headers[includeNames[i]] = headers[i];
  std::lock_guard<std::mutex> lock(compiler.mutex);
  return *handle = compiler.programs.add(program), 0;
}

int nvrtcDestroyProgram(uint64_t* handle) {
  return withProgram(__func__, *handle, [&](Program&) { return compiler.programs.remove(*handle), *handle = 0, 0; });
}

int nvrtcCompileProgram(uint64_t handle, int count, const char* const* options) {
  const char* call = __func__;
  return withProgram(call, handle, [&](Program& program) -> int {
    std::vector<std::string> flags;
    std::string standard = "-std=c++17", wrong = translate(count, options, flags, standard);
    if (!wrong.empty()) {
      program.log = wrong + "\n";
      return refuseProgram(call, NVRTC_ERROR_INVALID_OPTION, wrong);
    }
    program.compiled = compile(program, flags, standard);
    if (program.compiled) return 0;
    return refuseProgram(call, NVRTC_ERROR_COMPILATION, program.name + " does not compile; the program's log says why");
  });
}

int nvrtcGetProgramLogSize(uint64_t handle, size_t* size) {
  return withProgram(__func__, handle, [&](Program& p) { return *size = p.log.size() + 1, 0; });
}

int nvrtcGetProgramLog(uint64_t handle, char* log) {
  return withProgram(__func__, handle, [&](Program& p) { return memcpy(log, p.log.c_str(), p.log.size() + 1), 0; });
}

int nvrtcGetCUBINSize(uint64_t handle, size_t* size) {
  return withProgram(__func__, handle,
                     [&](Program& p) { return p.compiled ? (*size = p.image.size(), 0) : notCompiled(); });
}

int nvrtcGetCUBIN(uint64_t handle, char* image) {
  return withProgram(__func__, handle, [&](Program& p) {
    return p.compiled ? (memcpy(image, p.image.data(), p.image.size()), 0) : notCompiled();
  });
}

int nvrtcGetNumSupportedArchs(int* count) { return *count = 2, 0; }

int nvrtcGetSupportedArchs(int* numbers) { return numbers[0] = 80, numbers[1] = 90, 0; }

int nvrtcGetPTXSize(uint64_t, size_t*) { return notPTX(__func__); }
int nvrtcGetPTX(uint64_t, char*) { return notPTX(__func__); }

const char* nvrtcGetErrorString(int code) {
  switch (code) {
    case NVRTC_SUCCESS: return "NVRTC_SUCCESS";
    case NVRTC_ERROR_INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case NVRTC_ERROR_INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case NVRTC_ERROR_INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case NVRTC_ERROR_COMPILATION: return "NVRTC_ERROR_COMPILATION";
    case NVRTC_ERROR_INTERNAL_ERROR: return "NVRTC_ERROR_INTERNAL_ERROR";
  }
  return "NVRTC_ERROR unknown";
}

}  // extern "C"
