# Stand-ins for vendors' commands: each knows its options, checks what it is given, and says what was called.
#
#   tclsh dry.tcl FLOW SCRIPT RECORD [ARGUMENT ...]
#
# runs SCRIPT to its end, with its arguments in argv and the commands of FLOW.tcl (beside this file), and writes a line a
# call to RECORD, a JSON list of words.  Ends with status 0; with 1 and a sentence on standard error where the script does
# what the vendor's tool is documented to refuse.  No tool of a vendor runs, and nothing is synthesised.

namespace eval dry {
    variable record {}
    variable lines {}
    variable modules
    variable ports
    variable pins
    variable done {}
    array set modules {}
    array set ports {}
    array set pins {}
}

# Stops the script with a sentence.
proc dry::fail {sentence} {
    error $sentence
}

proc dry::json {text} {
    return "\"[string map {\\ \\\\ \" \\\" \n \\n \t \\t \r \\r} $text]\""
}

proc dry::note {args} {
    variable lines
    set words {}
    foreach word $args {
        lappend words [json $word]
    }
    lappend lines "\[[join $words {, }]\]"
}

# A stand-in.  Options: -name (a flag), -name: (any value), -name:a|b (one of), -name:@ (a file that is there),
# -name:% (a file to be written), -name:# (a number), -name:+ (a value, and the option may come again).  Least and most
# words beside them; most -1: any number.  The body has the array opt and the list words.
proc dry::command {name options least most body} {
    if {[namespace qualifiers $name] ne ""} {
        namespace eval ::[namespace qualifiers $name] {}
    }
    interp alias {} ::$name {} dry::call $name $options $least $most $body
}

proc dry::call {name options least most body args} {
    note $name {*}$args
    array set known {}
    foreach option $options {
        set split [string first : $option]
        if {$split < 0} {
            set known($option) {}
        } else {
            set known([string range $option 0 $split-1]) [list [string range $option $split+1 end]]
        }
    }
    array set opt {}
    set words {}
    while {[llength $args]} {
        set args [lassign $args word]
        if {![info exists known($word)]} {
            if {[regexp {^-[a-zA-Z_]} $word] && [llength $options]} {
                fail "$name has no option $word; known are [lsort [array names known]]"
            }
            lappend words $word
            continue
        }
        set repeats 0
        if {$known($word) eq {}} {
            set value 1
        } elseif {![llength $args]} {
            fail "$name: option $word needs a value"
        } else {
            set args [lassign $args value]
            set rule [lindex $known($word) 0]
            set repeats [expr {$rule eq "+"}]
            check_value $name $word $rule $value
        }
        if {$repeats} {
            lappend opt($word) $value
        } elseif {[info exists opt($word)]} {
            fail "$name: option $word is given twice"
        } else {
            set opt($word) $value
        }
    }
    if {[llength $words] < $least || ($most >= 0 && [llength $words] > $most)} {
        set limit [expr {$most < 0 ? "at least $least" : $least == $most ? $least : "$least to $most"}]
        fail "$name takes $limit words beside its options, not [llength $words]: $words"
    }
    return [apply [list {name given words} "array set opt \$given\n$body" ::dry] $name [array get opt] $words]
}

proc dry::check_value {name option rule value} {
    switch -- $rule {
        "" - "+" {}
        "@" {
            need_file $name $value
        }
        "%" {
            if {[file pathtype $value] ne "relative"} {
                fail "$name: option $option must be a relative path, so that the folder can be moved, not $value"
            }
            if {![file isdirectory [file dirname $value]]} {
                fail "$name: option $option: the folder of $value is missing"
            }
        }
        "#" {
            if {![string is double -strict $value]} {
                fail "$name: option $option must be a number, not $value"
            }
        }
        default {
            if {$value ni [split $rule |]} {
                fail "$name: option $option must be one of [split $rule |], not $value"
            }
        }
    }
}

# A file that a script reads must be there, inside the folder of the script.
proc dry::need_file {name path} {
    if {![file isfile $path]} {
        fail "$name: the file $path is missing"
    }
    inside $name $path
}

proc dry::inside {name path} {
    variable home
    set full [file normalize $path]
    if {$full ne $home && ![string match "[string map {\\ \\\\ * \\* ? \\? [ \\[} $home]/*" $full]} {
        fail "$name: $path lies outside the project's folder $home"
    }
}

# What is done already, in order.
proc dry::did {stage} {
    variable done
    lappend done $stage
}

proc dry::need {name args} {
    variable done
    foreach stage $args {
        if {$stage ni $done} {
            fail "$name comes before $stage"
        }
    }
}

proc dry::refuse_after {name stage} {
    variable done
    if {$stage in $done} {
        fail "$name comes after $stage"
    }
}

proc dry::read_text {path} {
    set file [open $path r]
    fconfigure $file -encoding utf-8
    set text [read $file]
    close $file
    return $text
}

proc dry::write_text {path text} {
    file mkdir [file dirname $path]
    set file [open $path w]
    puts $file $text
    close $file
}

# Modules that a Verilog file defines, with the file; a file read twice, and a module that is there already, are errors.
proc dry::read_source {name path} {
    variable modules
    variable sources
    need_file $name $path
    if {[info exists sources] && $path in $sources} {
        fail "$name: $path is read twice"
    }
    lappend sources $path
    set text [strip_verilog [read_text $path]]
    foreach {- module} [regexp -all -inline -line {^\s*module\s+([A-Za-z_][A-Za-z0-9_$]*)} $text] {
        if {[info exists modules($module)]} {
            fail "$name: module $module of $path is in $modules($module) already"
        }
        set modules($module) $path
    }
    foreach {- image} [regexp -all -inline {"([^"\n]+\.(?:hex|mem|bin))"} $text] {
        if {![file isfile $image] && ![file isfile [file join [file dirname $path] $image]]} {
            fail "$name: $path reads the memory image $image, which is missing"
        }
    }
}

proc dry::strip_verilog {text} {
    regsub -all {/\*.*?\*/} $text {} text
    regsub -all -line {//.*$} $text {} text
    regsub -all {\(\*[^)].*?\*\)} $text {} text
    return $text
}

# The ports of the top, from its Verilog: name to {direction width}.
proc dry::elaborate {name top} {
    variable modules
    variable ports
    if {![info exists modules($top)]} {
        fail "$name: no file has the module $top, the top; there are [lsort [array names modules]]"
    }
    set text [strip_verilog [read_text $modules($top)]]
    regexp -indices "\\mmodule\\s+$top\\M" $text at
    set text [string range $text [lindex $at 0] [string first endmodule $text [lindex $at 0]]]
    set pattern {\m(input|output|inout)\M\s*(?:wire|reg|signed)?\s*(?:\[\s*(\d+)\s*:\s*(\d+)\s*\])?\s*([A-Za-z_]\w*)}
    foreach {- direction high low port} [regexp -all -inline $pattern $text] {
        set ports($port) [list $direction [expr {$high eq "" ? 0 : $high - $low + 1}]]
    }
    if {![array size ports]} {
        fail "$name: the top $top has no ports"
    }
}

# The bits of a port, named as constraints name them.
proc dry::bits {port} {
    variable ports
    set width [lindex $ports($port) 1]
    if {$width == 0} {
        return [list $port]
    }
    set found {}
    for {set index 0} {$index < $width} {incr index} {
        lappend found "${port}\[$index\]"
    }
    return $found
}

proc dry::all_bits {} {
    variable ports
    set found {}
    foreach port [lsort [array names ports]] {
        lappend found {*}[bits $port]
    }
    return $found
}

# A bit, or a whole port, that constraints name.
proc dry::check_port {name wanted} {
    variable ports
    regsub {\[\*\]$} $wanted {} wanted
    if {$wanted ni [all_bits] && ![info exists ports($wanted)]} {
        fail "$name: the top has no port $wanted; it has [lsort [array names ports]]"
    }
}

# A pin of the package belongs to one bit, and a bit has one pin.
proc dry::place {name bit site} {
    variable pins
    if {$bit ni [all_bits]} {
        fail "$name: the top has no port $bit of one bit"
    }
    if {[info exists pins($bit)]} {
        fail "$name: $bit has the pin $pins($bit) already"
    }
    foreach other [array names pins] {
        if {$pins($other) eq $site} {
            fail "$name: the pin $site has $other already"
        }
    }
    set pins($bit) $site
}

# Each bit of the top has a pin; tools choose one where it has none, which damages boards.
proc dry::check_placed {name} {
    variable pins
    foreach bit [all_bits] {
        if {![info exists pins($bit)]} {
            fail "$name: the port $bit has no pin"
        }
    }
}

# A clock for each clock that comes in.
proc dry::check_period {name period} {
    if {![string is double -strict $period] || $period <= 0 || $period > 10000} {
        fail "$name: a period is in ns, not $period"
    }
}

proc dry::main {flow script record args} {
    variable lines
    variable home
    variable here
    set ::argv $args
    set home [file normalize [file dirname $script]]
    set record [file normalize $record]
    uplevel #0 [list source [file join $here $flow.tcl]]
    rename ::unknown {}
    proc ::unknown {name args} {
        dry::fail "the command '$name' is not known here"
    }
    # Where the interpreter is tkinter's, it has no exit, and takes the status from a variable.
    if {[info commands ::exit] eq ""} {
        proc ::dry::leave {status} {
            set ::dry::status $status
        }
    } else {
        rename ::exit ::dry::leave
    }
    proc ::exit {{status 0}} {
        return -code error -errorcode [list DRY EXIT $status] "exit $status"
    }
    set start [pwd]
    set wrong [catch {uplevel #0 [list source [file normalize $script]]} sentence options]
    set status 0
    if {$wrong} {
        set code [dict get $options -errorcode]
        if {[lrange $code 0 1] eq {DRY EXIT}} {
            set status [lindex $code 2]
        } else {
            set status 1
            set where "[file tail $script]"
            if {[regexp {\(file "([^"]+)" line (\d+)\)} [dict get $options -errorinfo] - file line]} {
                set where "[file tail $file], line $line"
            }
            puts stderr "Error: $where: $sentence"
        }
    }
    if {!$status && [catch {dry::finish} sentence]} {
        puts stderr "Error: at the end: $sentence"
        set status 1
    }
    cd $start
    note end $status
    write_text $record [join $lines \n]
    dry::leave $status
}

# A flow says what must be done at the end.
proc dry::finish {} {}

set dry::here [file dirname [file normalize [info script]]]
dry::main {*}$argv
