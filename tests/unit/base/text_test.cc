#include "base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hiif {
namespace {

TEST(IsPrintableAscii, TakesWhatMetadataTakes) {
  EXPECT_TRUE(IsPrintableAscii(""));
  EXPECT_TRUE(IsPrintableAscii(" az~"));
  for (const std::string& text :
       std::vector<std::string>{"\xc3\xbc", "a\n", "\x7f", std::string(1, '\0'), "\t", "\xff"})
    EXPECT_FALSE(IsPrintableAscii(text)) << text;
}

TEST(Shorten, KeepsTheBound) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6), "abc...");
  EXPECT_EQ(Shorten("", 3), "");
}

TEST(Shorten, CutsAtACharacter) {
  // Of two, three and four bytes: the one that does not fit is left out whole.
  EXPECT_EQ(Shorten("ab\xc3\xbc\xc3\xbc", 6 - 1), "ab...");
  EXPECT_EQ(Shorten("a\xe2\x82\xac\xe2\x82\xac", 6), "a...");
  EXPECT_EQ(Shorten("\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 7), "\xf0\x9f\x98\x80...");
  EXPECT_EQ(Shorten(std::string(10, '\x80'), 6), "...") << "no character at all";
}

TEST(Shorten, GivesUtf8) {
  for (const std::string good : {"", "a", "gro\xc3\x9f", "\xe2\x82\xac", "\xed\x9f\xbf",
                                 "\xef\xbf\xbd", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(Shorten(good, 100), good);
  EXPECT_EQ(Shorten("\xff\xfe!", 100), "?\?!");
  EXPECT_EQ(Shorten("a\xc3", 100), "a?") << "ends in a character";
  EXPECT_EQ(Shorten("\xc3(", 100), "?(");
  EXPECT_EQ(Shorten("\xc0\x80", 100), "??") << "longer than it needs to be";
  EXPECT_EQ(Shorten("\xe0\x80\x80", 100), "???");
  EXPECT_EQ(Shorten("\xed\xa0\x80", 100), "???") << "half of a pair";
  EXPECT_EQ(Shorten("\xf4\x90\x80\x80", 100), "????") << "above U+10FFFF";
}

TEST(Quoted, IsShortAndPrintable) {
  EXPECT_EQ(Quoted("freq.bias"), "\"freq.bias\"");
  EXPECT_EQ(Quoted("a\n\x1b[2J\"\x80"), R"("a\n\033[2J\"\200")");
  EXPECT_EQ(Quoted(std::string(1 << 20, 'a')).size(), 66);
}

TEST(Text, VisibleLeavesNothingToATerminal) {
  EXPECT_EQ(Visible("a\x1b[2Jb\r\n\t\x7f"), "a\\x1b[2Jb\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(Visible("two\nlines\r", /*keep_lines=*/true), "two\nlines\\x0d");
  EXPECT_EQ(Visible("gro\xc3\x9f \xc2\x9b"
                    "31m"),
            "gro\xc3\x9f \\x9b31m")
      << "C1 in UTF-8";
}

}  // namespace
}  // namespace hiif
