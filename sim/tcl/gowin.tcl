# Gowin EDA's gw_sh, after its Tcl commands user guide (SUG1220): the commands and options that rnngen uses.

namespace eval dry {
    variable device {}
    variable options
    array set options {}
    variable constraints {}
    variable flags {
        use_mspi_as_gpio use_sspi_as_gpio use_ready_as_gpio use_done_as_gpio use_reconfign_as_gpio use_jtag_as_gpio
        use_i2c_as_gpio use_mode_as_gpio use_cpu_as_gpio gen_text_timing_rpt print_all_synthesis_warning show_all_warn
        timing_driven rw_check_on_ram
    }
}

dry::command set_device {-name: -device_version:} 1 1 {
    variable device
    if {![info exists opt(-name)]} {
        fail "$name: the option -name is missing"
    }
    if {![regexp {^GW[0-9][A-Z]+-(LV|UV)\d+[A-Z]+\d+[A-Z]*C\d/I\d$} $words]} {
        fail "$name: a part is such as GW1NR-LV9QN88PC6/I5, not $words"
    }
    regexp {^(GW\d[A-Z]+)-[LU]V(\d+)} $words - series size
    if {![regexp "^$series-$size\[A-D\]?\$" $opt(-name)]} {
        fail "$name: the part $words is no $opt(-name)"
    }
    set device $words
    did set_device
}

dry::command add_file {-type:verilog|cst|sdc} 1 1 {
    variable constraints
    refuse_after $name run
    if {![info exists opt(-type)]} {
        fail "$name: the option -type is missing"
    }
    if {$opt(-type) eq "verilog"} {
        read_source $name [lindex $words 0]
    } else {
        need_file $name [lindex $words 0]
        lappend constraints $opt(-type) [lindex $words 0]
    }
}

proc ::set_option {args} {
    dry::note set_option {*}$args
    dry::refuse_after set_option run
    foreach {option value} $args {
        set option [string range $option 1 end]
        switch -- $option {
            top_module - output_base_name {
                if {![regexp {^\w+$} $value]} {
                    dry::fail "set_option: -$option must be a name, not $value"
                }
            }
            verilog_std {
                if {$value ni {v1995 v2001 sysv2017}} {
                    dry::fail "set_option: -$option must be v1995, v2001 or sysv2017, not $value"
                }
            }
            default {
                if {$option ni $dry::flags} {
                    dry::fail "set_option has no option -$option"
                }
                if {$value ni {0 1}} {
                    dry::fail "set_option: -$option must be 0 or 1, not $value"
                }
            }
        }
        set dry::options($option) $value
    }
}

dry::command run {} 1 1 {
    variable options
    variable constraints
    if {[lindex $words 0] ne "all"} {
        fail "$name: this script runs all, not $words"
    }
    need $name set_device
    foreach option {top_module output_base_name gen_text_timing_rpt} {
        if {![info exists options($option)]} {
            fail "$name comes before set_option -$option"
        }
    }
    elaborate $name $options(top_module)
    foreach {kind path} $constraints {
        read_$kind $path
    }
    check_placed $name
    need $name clocked
    did run
    set stem impl/pnr/$options(output_base_name)
    foreach ending {fs rpt.txt tr} {
        write_text $stem.$ending "Dry run: no tool wrote this."
    }
}

# Physical constraints, after SUG935: IO_LOC and IO_PORT.
proc dry::read_cst {path} {
    foreach line [split [read_text $path] \n] {
        set line [string trim [regsub {//.*$} $line {}]]
        if {$line eq ""} {
            continue
        }
        if {[regexp {^IO_LOC\s+"([^"]+)"\s+([A-Z]*\d+);$} $line - bit site]} {
            place $path $bit $site
        } elseif {[regexp {^IO_PORT\s+"([^"]+)"\s+(.+);$} $line - bit rest]} {
            check_port $path $bit
            foreach pair $rest {
                lassign [split $pair =] key value
                switch -- $key {
                    IO_TYPE {
                        set good [regexp {^LV(CMOS(33|25|18|15|12)D?|DS25|DS)$} $value]
                    }
                    PULL_MODE {
                        set good [expr {$value in {UP DOWN KEEPER NONE}}]
                    }
                    DRIVE {
                        set good [expr {$value in {2 4 8 12 16 24}}]
                    }
                    default {
                        set good 0
                    }
                }
                if {!$good} {
                    fail "$path: no value of IO_PORT: $pair"
                }
            }
        } else {
            fail "$path: not understood: $line"
        }
    }
}

# Timing constraints, after SUG940; a grammar of its own that looks like Tcl.
proc dry::read_sdc {path} {
    foreach line [split [read_text $path] \n] {
        set line [string trim [regsub {//.*$} $line {}]]
        if {$line eq ""} {
            continue
        }
        set clock {^create_clock -name \{?(\w+)\}? -period ([\d.]+) \[get_ports \{(\w+)\}\]$}
        if {[regexp $clock $line - - period port]} {
            check_period $path $period
            check_port $path $port
            did clocked
        } elseif {[regexp {^set_false_path -(from|to) \[get_ports \{([^\}]+)\}\]$} $line - - list]} {
            foreach port $list {
                check_port $path $port
            }
        } else {
            fail "$path: not understood: $line"
        }
    }
}

proc dry::finish {} {
    need "the end" run
}
