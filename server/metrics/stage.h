// The stages of a request: kinds of work to the scheduler, labels of metrics, names of spans.
#ifndef SERVER_METRICS_STAGE_H_
#define SERVER_METRICS_STAGE_H_

namespace hiif::server {

enum class Stage {
  kDecode,   // a file to pixels
  kEncode,   // pixels to latent codes
  kContext,  // of the attention
  kQuery,    // output pixels
  kFile,     // output pixels to a file
  kSend,     // to the stream, on the thread of the call
};
inline constexpr int kStages = 6;
inline constexpr Stage kAllStages[] = {Stage::kDecode, Stage::kEncode, Stage::kContext,
                                       Stage::kQuery,  Stage::kFile,   Stage::kSend};

constexpr const char* StageName(Stage stage) {
  constexpr const char* kNames[] = {"decode", "encode", "context", "query", "file", "send"};
  return kNames[static_cast<int>(stage)];
}

}  // namespace hiif::server

#endif  // SERVER_METRICS_STAGE_H_
