# sarsweep_embed(TARGET FUNCTION FILES path…): compiles files into TARGET. Declare in a header
#   std::span<const sarsweep::EmbeddedFile> sarsweep::FUNCTION();
# The assembler reads the files (.incbin), so megabytes cost no compile time; a changed file rebuilds.
# "NAME=path" embeds path under another name.
function(sarsweep_embed target function)
  cmake_parse_arguments(ARG "" "" "FILES" ${ARGN})
  set(symbols "")
  set(rows "")
  set(paths "")
  set(index 0)
  foreach(entry IN LISTS ARG_FILES)
    if(entry MATCHES "^([^=]+)=(.+)$")
      set(name "${CMAKE_MATCH_1}")
      set(path "${CMAKE_MATCH_2}")
    else()
      cmake_path(GET entry FILENAME name)
      set(path "${entry}")
    endif()
    cmake_path(ABSOLUTE_PATH path BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    list(APPEND paths "${path}")
    set(symbol "sarsweep_${function}_${index}")
    string(APPEND symbols
      "__asm__(\".pushsection .rodata\\n${symbol}:\\n.incbin \\\"${path}\\\"\\n${symbol}_end:\\n.byte 0\\n.popsection\\n\");\n"
      "extern \"C\" __attribute__((visibility(\"hidden\"))) const char ${symbol}[], ${symbol}_end[];\n")
    string(APPEND rows "      {\"${name}\", {${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})}},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${function}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT
"// Made by cmake/Embed.cmake.
#include <cstddef>
#include <span>
#include <vector>

#include \"schema/base/embedded_file.h\"

${symbols}
namespace sarsweep {
std::span<const EmbeddedFile> ${function}();
std::span<const EmbeddedFile> ${function}() {
  static const std::vector<EmbeddedFile> files = {
${rows}  };
  return files;
}
}  // namespace sarsweep
" @ONLY)
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${paths}")
  target_sources(${target} PRIVATE "${source}")
endfunction()
