# Lattice Diamond's diamondc, after its Tcl command reference: prj_project, prj_src, prj_impl, prj_strgy and prj_run.

namespace eval dry {
    variable project {}
}

proc ::prj_project {verb args} {
    dry::project_$verb {*}$args
}

proc ::prj_src {verb args} {
    dry::src_$verb {*}$args
}

proc ::prj_impl {verb args} {
    dry::impl_$verb {*}$args
}

dry::command dry::project_new {-name: -impl: -impl_dir: -dev: -lpf:@ -synthesis:synplify|lse} 0 0 {
    variable project
    foreach option {-name -impl -dev -lpf} {
        if {![info exists opt($option)]} {
            fail "prj_project new: the option $option is missing"
        }
    }
    if {![regexp {^LFE5U[M5G]*-(12|25|45|85)F-[5-9](BG|MG|TG)\d+[CI]$} $opt(-dev)]} {
        fail "prj_project new: a device is such as LFE5U-85F-6BG381C, not $opt(-dev)"
    }
    array set default [list -impl_dir $opt(-impl)]
    set project [array get opt]
    if {![dict exists $project -impl_dir]} {
        dict set project -impl_dir $opt(-impl)
    }
    file mkdir [dict get $project -impl_dir]
    did new
}

dry::command dry::project_save {} 0 1 {
    need "prj_project save" new
    did save
}

dry::command dry::project_close {} 0 0 {
    need "prj_project close" new
    did close
}

dry::command dry::src_add {} 1 1 {
    need "prj_src add" new
    read_source "prj_src add" [lindex $words 0]
}

dry::command dry::impl_option {} 2 2 {
    need "prj_impl option" new
    if {[lindex $words 0] ne "top"} {
        fail "prj_impl option: this script sets top, not [lindex $words 0]"
    }
    variable top [lindex $words 1]
    did top
}

dry::command prj_strgy {} 1 -1 {
    if {[lrange $words 0 0] ne "set_value"} {
        fail "prj_strgy: this script uses set_value, not $words"
    }
}

dry::command prj_run {-impl: -task: -forceOne} 1 1 {
    variable project
    variable top
    need $name new save top
    set order {Synthesis Translate Map PAR Export}
    set at [lsearch -exact $order [lindex $words 0]]
    if {$at < 0} {
        fail "$name: a step is one of $order, not $words"
    }
    if {$opt(-impl) ne [dict get $project -impl]} {
        fail "$name: the implementation is [dict get $project -impl], not $opt(-impl)"
    }
    if {$at > 0} {
        need $name [lindex $order $at-1]
    }
    set stem [file join [dict get $project -impl_dir] [dict get $project -name]_[dict get $project -impl]]
    switch -- [lindex $words 0] {
        Synthesis {
            elaborate $name $top
            read_lpf [dict get $project -lpf]
            check_placed $name
            need $name clocked
        }
        Map {
            write_text $stem.mrp "Dry run: no tool wrote this."
        }
        PAR {
            if {[info exists opt(-task)] && $opt(-task) ne "PARTrace"} {
                fail "$name: a task of PAR is PARTrace, not $opt(-task)"
            }
            write_text $stem.par "Dry run: no tool wrote this."
            if {[info exists opt(-task)]} {
                write_text $stem.twr "Dry run: no tool wrote this."
            }
        }
        Export {
            if {$opt(-task) ne "Bitgen"} {
                fail "$name: the task of Export is Bitgen, not $opt(-task)"
            }
            write_text $stem.bit "Dry run: no tool wrote this."
        }
    }
    did [lindex $words 0]
}

# Preferences: those of rnngen, each to its semicolon.
proc dry::read_lpf {path} {
    regsub -all -line {#.*$} [read_text $path] {} text
    foreach line [split $text ";"] {
        set line [string trim $line]
        if {$line in {"" "BLOCK RESETPATHS" "BLOCK ASYNCPATHS"}} {
            continue
        }
        if {[regexp {^LOCATE COMP "([^"]+)" SITE "([A-Z]+\d+)"$} $line - bit site]} {
            place $path $bit $site
        } elseif {[regexp {^IOBUF PORT "([^"]+)"(( [A-Z_]+=\S+)+)$} $line - bit pairs]} {
            check_port $path $bit
            foreach pair $pairs {
                lassign [split $pair =] key value
                if {$key ni {IO_TYPE PULLMODE DRIVE SLEWRATE DIFFRESISTOR TERMINATION OPENDRAIN HYSTERESIS}} {
                    fail "$path: IOBUF has no $key"
                }
            }
        } elseif {[regexp {^FREQUENCY PORT "([^"]+)" ([\d.]+) MHZ$} $line - port mega]} {
            check_port $path $port
            check_period $path [expr {1000.0 / $mega}]
            did clocked
        } else {
            fail "$path: not understood: $line"
        }
    }
}

proc dry::finish {} {
    need "the end" Export close
}
