// What the user asked for: a struct for every command, filled by command_line.cc, which also gives
// the meaning of each flag and its default.
#ifndef CLIENT_CLI_FLAGS_H_
#define CLIENT_CLI_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hiif::cli {

struct ConnectionFlags {
  std::string server;  // empty: a private server
  bool tls = false;
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_server_name;
  std::string token_file;
  bool insecure_token = false;
  double connect_timeout_s = 5;
  double timeout_s = 0;           // of a request; 0: none
  double stall_timeout_s = 3600;  // 0: none
  int retries = 7;                // after the first attempt
  // Of the private server.
  std::string model_dir;
  std::string device;
};

struct SizeFlags {
  std::optional<double> scale;
  std::optional<double> scale_x;
  std::optional<double> scale_y;
  std::optional<int64_t> width;
  std::optional<int64_t> height;
  bool stretch = false;
  std::optional<double> megapixels;
  std::optional<int64_t> long_side;
  std::string crop;  // "x,y,w,h" in pixels of the input
};

struct LogFlags {
  std::string format = "text";  // or "json"
  bool quiet = false;
  bool verbose = false;
};

struct UpscaleFlags {
  ConnectionFlags connection;
  SizeFlags size;
  LogFlags log;
  std::vector<std::string> inputs;
  std::vector<std::string> lists;
  bool recursive = false;
  std::string output;
  std::string format;  // extension; empty: that of the output's name or of the input
  std::string name;    // template; empty: {stem}_{scale}.{ext}
  std::string exists = "error";
  bool resume = false;
  bool dry_run = false;
  std::string shard;  // "I/N"; empty: everything
  std::string jobs;   // "N" or "load:proc:save"; empty: by the server
  std::string model;
  std::string model_version;
  bool self_ensemble = false;
  std::optional<double> strength;
  int tile_size = 0;
  int priority = 0;
  int quality = 0;
  bool strip = false;
  bool srgb = false;
  bool clip = false;
  bool all_frames = false;
  bool animation = false;
  bool y4m = false;  // video
  std::string ppi = "keep";
};

struct ModelsFlags {
  ConnectionFlags connection;
  std::string name;  // empty: all
  bool json = false;
};

struct QueryFlags {
  ConnectionFlags connection;
  std::string input;
  std::vector<std::string> positions;  // "x,y"; none: from standard input, one a line
  double scale = 4;
  std::string model;
};

struct BenchFlags {
  ConnectionFlags connection;
  std::vector<std::string> inputs;
  double scale = 2;
  std::string model;
  int clients = 4;
  std::optional<double> rate;  // requests a second; none: closed loop
  double seconds = 10;
  bool json = false;
};

struct CompareFlags {
  ConnectionFlags connection;
  std::string input;
  std::string output = "comparison.png";
  double scale = 4;
  std::string crop;
  std::vector<std::string> models;  // none: all
};

struct HealthFlags {
  ConnectionFlags connection;
  std::string service;
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_FLAGS_H_
