// A small check that a text is well-formed XML: tags nest, attributes are quoted and unique, entities are
// known, no '<' or bare '&' in text. Written for tests; reads what our writer may produce (elements,
// attributes, text, one declaration, one doctype).
#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace apiq::testing {

class XmlCheck {
 public:
  explicit XmlCheck(std::string_view text) : text_(text) {}

  /// What is wrong, with the offset; nothing if the text is well-formed.
  std::optional<std::string> error() {
    while (at_ < text_.size() && problem_.empty()) {
      if (text_[at_] == '<') tag();
      else character();
    }
    if (problem_.empty() && !open_.empty()) fail("<" + open_.back() + "> is not closed");
    if (problem_.empty() && roots_ != 1) fail("expected one root element, found " + std::to_string(roots_));
    return problem_.empty() ? std::nullopt : std::optional(problem_);
  }

  const std::set<std::string>& elements() const { return elements_; }

 private:
  void fail(const std::string& what) { problem_ = what + " at offset " + std::to_string(at_); }

  void character() {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (open_.empty() && std::string_view(" \n").find(text_[at_]) == std::string_view::npos)
      return fail("text outside of the root");
    if (c < 0x20 && c != '\n' && c != '\t') return fail("control character");
    if (c == '&') return entity();
    ++at_;
  }

  void entity() {
    for (const std::string_view known : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"})
      if (text_.substr(at_, known.size()) == known) return void(at_ += known.size());
    fail("unknown entity");
  }

  void tag() {
    for (const std::string_view skipped : {"<?xml ", "<!DOCTYPE "})
      if (text_.substr(at_, skipped.size()) == skipped) return void(at_ = text_.find('>', at_) + 1);
    const bool closes = text_.substr(at_, 2) == "</";
    at_ += closes ? 2 : 1;
    const std::string name = word();
    if (name.empty()) return fail("tag without a name");
    if (closes) {
      if (open_.empty() || open_.back() != name) return fail("</" + name + "> closes nothing");
      open_.pop_back();
      return expect('>');
    }
    elements_.insert(name);
    if (open_.empty()) ++roots_;
    attributes();
    if (!problem_.empty()) return;
    const bool empty = text_[at_] == '/';
    if (empty) ++at_;
    else open_.push_back(name);
    expect('>');
  }

  void attributes() {
    std::set<std::string> names;
    while (at_ < text_.size() && text_[at_] == ' ') {
      ++at_;
      const std::string name = word();
      if (name.empty() || !names.insert(name).second)
        return fail("attribute '" + name + "' missing or twice");
      expect('=');
      expect('"');
      while (problem_.empty() && at_ < text_.size() && text_[at_] != '"') {
        if (text_[at_] == '<') return fail("'<' in an attribute");
        if (text_[at_] == '&') entity();
        else ++at_;
      }
      expect('"');
      if (!problem_.empty()) return;
    }
    if (at_ >= text_.size()) fail("the text ends inside a tag");
  }

  std::string word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-' || text_[at_] == ':'))
      ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  void expect(char c) {
    if (!problem_.empty()) return;
    if (at_ < text_.size() && text_[at_] == c) ++at_;
    else fail(std::string("expected '") + c + "'");
  }

  std::string_view text_;
  std::size_t at_ = 0, roots_ = 0;
  std::vector<std::string> open_;
  std::set<std::string> elements_;
  std::string problem_;
};

}  // namespace apiq::testing
