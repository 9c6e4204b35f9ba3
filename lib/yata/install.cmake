# What `cmake --install` gives of libyata: static and shared library, headers, yata.pc, the command
# `yata`, manual pages, completion.
include(GNUInstallDirs)

# ---- the shared library ----

add_library(yata_shared SHARED ${YATA_SOURCES})
# Until 1.0.0 the second number changes when programs have to be built anew.
string(REGEX MATCH "^[0-9]+\\.[0-9]+" yata_soversion ${YATA_VERSION})
set_target_properties(yata_shared PROPERTIES
  OUTPUT_NAME yata VERSION ${YATA_VERSION} SOVERSION ${yata_soversion}
  LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/yata.map)
target_compile_options(yata_shared PRIVATE -fno-semantic-interposition)
target_link_options(yata_shared PRIVATE
  -Wl,--no-undefined -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/yata.map)
target_include_directories(yata_shared PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../../include)

# ---- generated files ----

set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})

# yata_generate(file COMMAND ...): the output of the command as a file.
function(yata_generate file)
  cmake_parse_arguments(A "" "" "COMMAND;DEPENDS" ${ARGN})
  add_custom_command(OUTPUT ${generated}/${file}
    COMMAND ${A_COMMAND} > ${generated}/${file} DEPENDS ${A_DEPENDS} VERBATIM)
  set_property(GLOBAL APPEND PROPERTY yata_generated ${generated}/${file})
endfunction()

yata_generate(yata.1 COMMAND yata_cli --print-man DEPENDS yata_cli)
yata_generate(yata.bash COMMAND yata_cli --print-completion bash DEPENDS yata_cli)
yata_generate(_yata COMMAND yata_cli --print-completion zsh DEPENDS yata_cli)
set(man3 ${CMAKE_CURRENT_SOURCE_DIR}/man3.awk)
yata_generate(yata.3 COMMAND awk -f ${man3} ${YATA_HEADERS} DEPENDS ${man3} ${YATA_HEADERS})
get_property(files GLOBAL PROPERTY yata_generated)
add_custom_target(yata_generated ALL DEPENDS ${files})

# The way from yata.pc up to the prefix, so that the installed tree may be moved.
file(RELATIVE_PATH YATA_PREFIX_FROM_PC
     ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(yata.pc.in yata.pc @ONLY)

# ---- where all goes ----

install(TARGETS yata yata_shared yata_cli)
install(FILES ${YATA_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/yata.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${generated}/yata.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${generated}/yata.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES ${generated}/yata.bash RENAME yata
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${generated}/_yata DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
