# man3.awk: the manual page yata.3 from the headers, whose comments are the contract; yata.h first.
#
# The comment at the top of yata.h becomes the description, that of another header a section of text, the lines "/* ---- title ---- */" sections, and
# each comment with the declarations below it an entry: declarations first, then what they promise.
# Everything is taken as it stands, but for what roff would take for its own.

function roff(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    gsub(/…/, "...", s)
    if (s ~ /^[.']/) s = "\\\\\\&" s
    return s
}

function file_name(   s) {
    s = FILENAME
    sub(/.*\//, "", s)
    return s
}

# A line of a comment without its decoration.
function bare(s) {
    sub(/^[ \t]*\/\*[ \t]?/, "", s)
    sub(/[ \t]*\*\/[ \t]*$/, "", s)
    sub(/^ \* ?/, "", s)
    return s
}

# Comment text as paragraphs; lines indented by four are an example.
function put_text(text,   n, i, lines, literal) {
    n = split(text, lines, "\n")
    for (i = 1; i <= n; i++) {
        if (lines[i] ~ /^    / && !literal) { print ".PP\n.nf\n.RS 4"; literal = 1 }
        if (lines[i] !~ /^    / && literal) { print ".RE\n.fi"; literal = 0 }
        if (lines[i] == "") print literal ? "" : ".PP"
        else print roff(literal ? substr(lines[i], 5) : lines[i])
    }
    if (literal) print ".RE\n.fi"
}

function put_entry(   n, i, lines) {
    if (code == "" || code ~ /^#/ || code ~ /^extern "C"|^}$/) { code = comment = ""; return }
    print ".PP\n.nf\n.ft B"
    n = split(code, lines, "\n")
    for (i = 1; i <= n; i++) if (lines[i] != "") print roff(lines[i])
    print ".ft\n.fi"
    if (comment != "") { print ".RS 4"; put_text(comment); print ".RE" }
    code = comment = ""
}

/^#define YATA_VERSION/ { version = $3; gsub(/"/, "", version) }

# Each header begins with an essay, which ends before the include guard.
FNR == 1 { put_entry(); begun = skip = 0 }
!begun && /^#ifndef/ {
    essay = comment
    sub(/^[a-z_.]+: [^\n]*\n+/, "", essay)
    comment = ""
    begun = 1
    if (headed) { print ".SH " toupper(file_name()); put_text(essay) }
    next
}

# Preprocessor lines and what stands between them are of no interest to a reader.
/^#/ { skip = /^#ifdef __cplusplus|^#if / ? 1 : (/^#endif/ ? 0 : skip); next }
skip { next }

!headed && begun && NF {
    print ".TH YATA 3 \"\" \"libyata " version "\" \"Library functions\""
    print ".SH NAME\nyata \\- Yjs documents in C"
    print ".SH SYNOPSIS\n.nf\n.B #include <yata.h>\n.PP\ncc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs yata)\n.fi"
    print ".SH DESCRIPTION"
    put_text(essay)
    headed = 1
}

/^\/\* -+ .* -+ \*\/$/ {
    put_entry()
    title = $0
    gsub(/^\/\* -+ | -+ \*\/$/, "", title)
    print ".SH " toupper(title)
    next
}

# A comment in the first column begins an entry.
/^\/\*/ { put_entry(); comment = bare($0); open = !/\*\/[ \t]*$/; next }
open { open = !/\*\/[ \t]*$/; comment = comment "\n" bare($0); next }
/^$/ && code !~ /;$/ && code != "" { code = code "\n"; next }
/^$/ { put_entry(); next }
{ code = code (code == "" ? "" : "\n") $0 }

END {
    put_entry()
    print ".SH SEE ALSO\n.BR yata (1)"
}
