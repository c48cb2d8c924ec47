#include "imaging/xmp.h"

#include <cmath>
#include <map>
#include <pugixml.hpp>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hiif {
namespace {

constexpr absl::string_view kTiff = "http://ns.adobe.com/tiff/1.0/";
constexpr absl::string_view kExif = "http://ns.adobe.com/exif/1.0/";
constexpr absl::string_view kPhotoshop = "http://ns.adobe.com/photoshop/1.0/";
constexpr absl::string_view kXmp = "http://ns.adobe.com/xap/1.0/";
constexpr absl::string_view kPanorama = "http://ns.google.com/photos/1.0/panorama/";
constexpr absl::string_view kNote = "http://ns.adobe.com/xmp/note/";
constexpr absl::string_view kCamera = "http://ns.google.com/photos/1.0/camera/";
// All of these speak of other pictures, sounds or maps of the same file.
constexpr absl::string_view kOfTheFile[] = {
    "http://ns.google.com/photos/1.0/container/", "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/depthmap/",  "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/dd/1.0/",        "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
};

// Beyond these a packet is an attack on whoever reads it.
constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr int kMaxDepth = 64;
constexpr int kMaxAttributes = 512;  // of an element

struct Name {
  absl::string_view space;
  absl::string_view local;
};

class StringWriter : public pugi::xml_writer {
 public:
  void write(const void* data, size_t size) override {
    text.append(static_cast<const char*>(data), size);
  }
  std::string text;
};

class Updater {
 public:
  Updater(pugi::xml_document* document, const XmpChanges& changes)
      : document_(*document), changes_(changes) {}

  // False for what no picture would have.
  bool Run() {
    struct Declarations : pugi::xml_tree_walker {
      bool for_each(pugi::xml_node& node) override {
        int attributes = 0;
        for (const pugi::xml_attribute a : node.attributes()) {
          if (++attributes > kMaxAttributes) return false;
          if (absl::StartsWith(a.name(), "xmlns:"))
            spaces->insert_or_assign(a.name() + 6, a.value());
        }
        elements->push_back(node);
        return depth() <= kMaxDepth;
      }
      std::map<std::string, std::string, std::less<>>* spaces;
      std::vector<pugi::xml_node>* elements;
    } walker;
    std::vector<pugi::xml_node> elements;
    walker.spaces = &spaces_;
    walker.elements = &elements;
    if (!document_.traverse(walker)) return false;
    for (const pugi::xml_node node : elements) FindResolution(node);
    // From the leaves up: what is removed has no part that is still to be looked at.
    for (auto node = elements.rbegin(); node != elements.rend(); ++node) Update(*node);
    return true;
  }

 private:
  Name NameOf(absl::string_view qualified) const {
    const size_t colon = qualified.find(':');
    if (colon == absl::string_view::npos) return {"", qualified};
    const auto found = spaces_.find(qualified.substr(0, colon));
    return {found == spaces_.end() ? absl::string_view() : found->second,
            qualified.substr(colon + 1)};
  }

  // The first of each direction that is said.
  void FindResolution(pugi::xml_node node) {
    const auto take = [this](absl::string_view qualified, const char* value) {
      const Name name = NameOf(qualified);
      if (name.space != kTiff) return;
      if (name.local == "XResolution" && across_.empty()) across_ = value;
      if (name.local == "YResolution" && down_.empty()) down_ = value;
    };
    for (const pugi::xml_attribute a : node.attributes()) take(a.name(), a.value());
    take(node.name(), node.text().get());
  }

  void Update(pugi::xml_node node) const {
    for (pugi::xml_attribute a = node.first_attribute(); a;) {
      const pugi::xml_attribute next = a.next_attribute();
      const Name name = NameOf(a.name());
      if (Stale(name))
        node.remove_attribute(a);
      else if (const std::string value = ValueOf(name, a.value()); !value.empty())
        a.set_value(value.c_str());
      a = next;
    }
    if (node.type() != pugi::node_element) return;
    const Name name = NameOf(node.name());
    if (Stale(name))
      node.parent().remove_child(node);
    else if (const std::string value = ValueOf(name, node.text().get()); !value.empty())
      node.text().set(value.c_str());
  }

  static bool Stale(Name name) {
    if (name.space == kXmp) return name.local == "Thumbnails";
    if (name.space == kNote) return name.local == "HasExtendedXMP";
    if (name.space == kCamera)
      return absl::StartsWith(name.local, "MicroVideo") ||
             absl::StartsWith(name.local, "MotionPhoto");
    for (const absl::string_view space : kOfTheFile)
      if (absl::StartsWith(name.space, space)) return true;
    return false;
  }

  // What a property is to be; empty: as it is.
  std::string ValueOf(Name name, absl::string_view now) const {
    const bool sets_ppi = changes_.ppi_x > 0 && changes_.ppi_y > 0;
    const auto ratio = [](double ppi) { return absl::StrCat(std::llround(ppi * 10000), "/10000"); };
    const absl::string_view local = name.local;
    if (name.space == kTiff) {
      if (local == "Orientation" && changes_.turned) return "1";
      if (local == "ImageWidth") return absl::StrCat(changes_.size.width);
      if (local == "ImageLength") return absl::StrCat(changes_.size.height);
      if (local == "XResolution" && sets_ppi) return ratio(changes_.ppi_x);
      if (local == "YResolution" && sets_ppi) return ratio(changes_.ppi_y);
      if (local == "ResolutionUnit" && sets_ppi) return "2";
      if (changes_.sideways && !across_.empty() && !down_.empty()) {
        if (local == "XResolution") return down_;
        if (local == "YResolution") return across_;
      }
    }
    if (changes_.srgb) {
      if (name.space == kExif && local == "ColorSpace") return "1";
      if (name.space == kPhotoshop && local == "ICCProfile") return "sRGB IEC61966-2.1";
    }
    if (name.space == kExif && local == "PixelXDimension") return absl::StrCat(changes_.size.width);
    if (name.space == kExif && local == "PixelYDimension")
      return absl::StrCat(changes_.size.height);
    if (name.space == kPanorama && absl::EndsWith(local, "Pixels")) {
      const bool across = absl::StrContains(local, "Width") || absl::StrContains(local, "Left");
      double pixels = 0;
      if (!absl::SimpleAtod(now, &pixels) || !(std::abs(pixels) < 1e9)) return {};
      const auto scale = across ? static_cast<double>(changes_.size.width) /
                                      static_cast<double>(changes_.input.width)
                                : static_cast<double>(changes_.size.height) /
                                      static_cast<double>(changes_.input.height);
      return absl::StrCat(std::llround(pixels * scale));
    }
    return {};
  }

  pugi::xml_document& document_;
  const XmpChanges& changes_;
  std::map<std::string, std::string, std::less<>> spaces_;  // by prefix
  std::string across_;                                      // resolutions as the packet has them
  std::string down_;
};

}  // namespace

std::string UpdatedXmp(absl::string_view xmp, const XmpChanges& changes) {
  while (!xmp.empty() && xmp.back() == '\0') xmp.remove_suffix(1);
  if (xmp.size() > kMaxBytes) return {};
  pugi::xml_document document;
  constexpr unsigned kParse =
      pugi::parse_default | pugi::parse_pi | pugi::parse_comments | pugi::parse_ws_pcdata;
  if (!document.load_buffer(xmp.data(), xmp.size(), kParse)) return {};
  if (!Updater(&document, changes).Run()) return {};
  if (!document.document_element()) return {};  // all of it spoke of the rest of the file
  StringWriter writer;
  document.save(writer, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
  return std::move(writer.text);
}

}  // namespace hiif
