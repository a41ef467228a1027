# Lattice Radiant's radiantc, after its Tcl command reference: prj_create, prj_add_source, prj_set_impl_opt, prj_run.

namespace eval dry {
    variable project {}
    variable constraints {}
}

dry::command prj_create {-name: -impl: -dev: -performance: -synthesis:synplify|lse} 0 0 {
    variable project
    foreach option {-name -impl -dev -performance} {
        if {![info exists opt($option)]} {
            fail "$name: the option $option is missing"
        }
    }
    if {![regexp {^iCE40UP[35]K-(SG48|UWG30)I$} $opt(-dev)]} {
        fail "$name: a device is such as iCE40UP5K-SG48I, not $opt(-dev)"
    }
    if {$opt(-performance) ne "High-Performance_1.2V"} {
        fail "$name: the performance of an iCE40UP is High-Performance_1.2V, not $opt(-performance)"
    }
    set project [array get opt]
    file mkdir $opt(-impl)
    did new
}

dry::command prj_add_source {} 1 1 {
    variable constraints
    need $name new
    set path [lindex $words 0]
    switch -- [file extension $path] {
        .v {
            read_source $name $path
        }
        .sdc - .pdc {
            need_file $name $path
            lappend constraints $path
        }
        default {
            fail "$name: sources are .v, .sdc and .pdc here, not $path"
        }
    }
}

dry::command prj_set_impl_opt {-impl:} 2 2 {
    need $name new
    if {[lindex $words 0] ne "top"} {
        fail "$name: this script sets top, not [lindex $words 0]"
    }
    variable top [string trim [lindex $words 1] \"]
    did top
}

dry::command prj_save {} 0 0 {
    need $name new
    did save
}

dry::command prj_close {} 0 0 {
    need $name new
    did close
}

dry::command prj_run {-impl: -task: -forceOne} 1 1 {
    variable project
    variable top
    variable constraints
    need $name new save top
    set order {Synthesis Map PAR Export}
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
    set stem [file join [dict get $project -impl] [dict get $project -name]_[dict get $project -impl]]
    switch -- [lindex $words 0] {
        Synthesis {
            elaborate $name $top
            foreach path $constraints {
                namespace eval :: [list source $path]
            }
            check_placed $name
            need $name clocked
        }
        Map {
            write_text $stem.mrp "Dry run: no tool wrote this."
        }
        PAR {
            write_text $stem.par "Dry run: no tool wrote this."
            write_text $stem.twr "Dry run: no tool wrote this."
        }
        Export {
            if {$opt(-task) ne "Bitgen"} {
                fail "$name: the task of Export is Bitgen, not $opt(-task)"
            }
            write_text $stem.bin "Dry run: no tool wrote this."
        }
    }
    did [lindex $words 0]
}

# Constraints, sourced when synthesis begins.
dry::command get_ports {} 1 1 {
    foreach port [lindex $words 0] {
        check_port $name $port
    }
    return [lindex $words 0]
}

dry::command create_clock {-name: -period:#} 1 1 {
    check_period $name $opt(-period)
    did clocked
}

dry::command set_false_path {-from: -to:} 0 0 {}

dry::command ldc_set_location {-site:} 1 1 {
    if {![regexp {^([A-Z]*\d+)$} $opt(-site)]} {
        fail "$name: a site is such as 35 or A1, not $opt(-site)"
    }
    place $name [lindex $words 0] $opt(-site)
}

dry::command ldc_set_port {-iobuf:} 1 1 {
    check_port $name [lindex $words 0]
    foreach pair $opt(-iobuf) {
        lassign [split $pair =] key value
        if {![dict exists {IO_TYPE {LVCMOS33 LVCMOS25 LVCMOS18} PULLMODE {100K 10K 6P8K 3P3K NA UP}} $key]} {
            fail "$name: -iobuf has no $key here"
        }
        if {$value ni [dict get {IO_TYPE {LVCMOS33 LVCMOS25 LVCMOS18} PULLMODE {100K 10K 6P8K 3P3K NA UP}} $key]} {
            fail "$name: $key has no value $value"
        }
    }
}

proc dry::finish {} {
    need "the end" Export close
}
